// Puts the code of a sign-in link, which is in the address's fragment, into the form, and clears the address.
"use strict";
const code = document.getElementById("code");
if (location.hash.length > 1) {
  code.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
if (code.value) {
  document.getElementById("code-field").hidden = true;
  document.getElementById("password").focus();
}
