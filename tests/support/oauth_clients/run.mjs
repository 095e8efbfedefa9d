// Signs in at a Leasehold API with openid-client, in every way there is, and prints what came of it as JSON.
// The person's browser is played by fetch with the session's cookie.
import * as client from 'openid-client'

const { issuer, cookie, service, privateKey } = JSON.parse(process.env.OAUTH_TEST)
const redirectUri = 'http://127.0.0.1:49152/callback'
const insecure = { execute: [client.allowInsecureRequests], algorithm: 'oauth2' }
const found = {}

const fields = (page) => {
  const form = page.slice(page.lastIndexOf('<form method="post"'))
  return Object.fromEntries(
    [...form.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)].map((m) => [m[1], m[2].replaceAll('&amp;', '&')]),
  )
}

// Opens a page as the person, says yes, and returns the answer to the form.
const approve = async (address) => {
  const asked = await fetch(address, { headers: { cookie }, redirect: 'manual' })
  if (asked.status !== 200) throw new Error(`${address} answered ${asked.status}: ${await asked.text()}`)
  const body = new URLSearchParams({ ...fields(await asked.text()), answer: 'allow' })
  const page = new URL(address)
  return fetch(page.origin + page.pathname, {
    method: 'POST',
    headers: { cookie, 'sec-fetch-site': 'same-origin' },
    body,
    redirect: 'manual',
  })
}

const whoami = async (config, token, options) =>
  (await client.fetchProtectedResource(config, token, new URL(`${issuer}/v1/whoami`), 'GET', undefined, undefined, options)).json()

const publicClient = await client.discovery(new URL(issuer), 'leasehold-cli', undefined, client.None(), insecure)
found.issuer = publicClient.serverMetadata().issuer

// ── authorization code, PKCE, DPoP with the server's nonce ──
const DPoP = client.getDPoPHandle(publicClient, await client.randomDPoPKeyPair('ES256'))
const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const address = client.buildAuthorizationUrl(publicClient, {
  redirect_uri: redirectUri,
  scope: 'operator',
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  dpop_jkt: await DPoP.calculateThumbprint(),
})
const sent = await approve(address.href)
const checks = { pkceCodeVerifier, expectedState }
const tokens = await client.authorizationCodeGrant(publicClient, new URL(sent.headers.get('location')), checks, undefined, { DPoP })
found.code = { type: tokens.token_type, scope: tokens.scope, whoami: await whoami(publicClient, tokens.access_token, { DPoP }) }

// ── refresh and revocation ──
const renewed = await client.refreshTokenGrant(publicClient, tokens.refresh_token, undefined, { DPoP })
found.refreshed = renewed.refresh_token !== tokens.refresh_token
await client.tokenRevocation(publicClient, renewed.refresh_token)
found.afterRevocation = await client
  .refreshTokenGrant(publicClient, renewed.refresh_token, undefined, { DPoP })
  .then(() => 'taken', (error) => error.error)

// ── device flow ──
const device = await client.initiateDeviceAuthorization(publicClient, { scope: 'viewer' })
await approve(device.verification_uri_complete)
const lent = await client.pollDeviceAuthorizationGrant(publicClient, device)
found.device = { type: lent.token_type, whoami: await whoami(publicClient, lent.access_token) }

// ── a service client with a key, and introspection ──
const key = await crypto.subtle.importKey('jwk', privateKey, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
const program = await client.discovery(new URL(issuer), service, undefined, client.PrivateKeyJwt(key), insecure)
const own = await client.clientCredentialsGrant(program, { scope: 'viewer' })
found.program = { type: own.token_type, whoami: await whoami(program, own.access_token) }
found.introspection = await client.tokenIntrospection(program, lent.access_token)
found.introspectionOfNonsense = await client.tokenIntrospection(program, 'nonsense')

console.log(JSON.stringify(found))
