// A real OpenID Connect provider on loopback, with accounts and a client that the test names.
// Asks nobody anything: whoever is in the header x-account is signed in.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const given = JSON.parse(process.env.OIDC_TEST);

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'leasehold',
      redirect_uris: [given.redirect_uri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      ...(given.secret
        ? { client_secret: given.secret, token_endpoint_auth_method: given.auth_method }
        : { token_endpoint_auth_method: 'none' }),
    }],
    pkce: { required: () => true },
    claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email'], groups: ['groups'] },
    scopes: ['openid', 'profile', 'email', 'groups'],
    conformIdTokenClaims: given.groups_from_userinfo,
    features: { devInteractions: { enabled: false } },
    cookies: { keys: ['only for tests'] },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_ctx, id) => given.accounts[id]
      && { accountId: id, claims: () => ({ sub: id, ...given.accounts[id] }) },
    async loadExistingGrant(ctx) {
      const { client, session } = ctx.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid profile email groups');
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (!request.url.startsWith('/interaction/')) {
      answer(request, response);
      return;
    }
    const account = request.headers['x-account'];
    const result = account ? { login: { accountId: account } } : { error: 'access_denied' };
    provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  });
  console.log(issuer);
});
