// openid-client: discovery, sign-in, userinfo, refresh, introspection, revocation and logout, each checked by the library.
import { decodeProtectedHeader } from 'jose'
import * as client from 'openid-client'

import * as dialogue from './dialogue.mjs'

const authentication = {
  client_secret_basic: client.ClientSecretBasic,
  client_secret_post: client.ClientSecretPost,
}[dialogue.TOKEN_AUTH](dialogue.CLIENT_SECRET)

const config = await client.discovery(
  new URL(dialogue.ISSUER),
  dialogue.CLIENT_ID,
  { id_token_signed_response_alg: dialogue.ALGORITHM },
  authentication,
  // Clear text on loopback; and the signature of an id_token is verified even where TLS would vouch for it.
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
)
if (!config.serverMetadata().supportsPKCE()) throw new Error('discovery does not announce PKCE')

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
const callback = await dialogue.open(
  client.buildAuthorizationUrl(config, {
    redirect_uri: dialogue.REDIRECT_URI,
    scope: dialogue.SCOPE,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  }),
)
const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, new URL(callback), checks)
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub)

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token)
await client.fetchUserInfo(config, refreshed.access_token, claims.sub)
const introspected = await client.tokenIntrospection(config, refreshed.access_token)

await client.tokenRevocation(config, refreshed.refresh_token)
const introspected_after = await client.tokenIntrospection(config, refreshed.access_token)
const refusal = await client.refreshTokenGrant(config, refreshed.refresh_token).then(
  () => 'none',
  (error) => error.error,
)

const logoutState = client.randomState()
const signedOut = await dialogue.open(
  client.buildEndSessionUrl(config, {
    id_token_hint: refreshed.id_token,
    post_logout_redirect_uri: dialogue.POST_LOGOUT_REDIRECT_URI,
    state: logoutState,
  }),
)
if (new URL(signedOut).searchParams.get('state') !== logoutState) throw new Error('the state of the logout is another')

dialogue.done({
  algorithm: decodeProtectedHeader(tokens.id_token).alg,
  claims,
  userinfo,
  refreshed: refreshed.claims(),
  rotated: refreshed.refresh_token !== tokens.refresh_token,
  introspected,
  introspected_after,
  refusal,
})
