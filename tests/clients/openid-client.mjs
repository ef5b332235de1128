// openid-client: discovery, sign-in, userinfo, refresh, introspection, revocation and logout, each checked by the library;
// with pushed requests, proofs by a key of its own, and tokens bound to another, where the client is registered for them. Access tokens that are JWTs
// are verified by jose, as a service would that knows nothing but the issuer.
import { createRemoteJWKSet, decodeProtectedHeader, importJWK, jwtVerify } from 'jose'
import * as client from 'openid-client'

import * as dialogue from './dialogue.mjs'

async function privateKeyJwt() {
  const jwk = JSON.parse(dialogue.CLIENT_KEY)
  return client.PrivateKeyJwt({ key: await importJWK(jwk, 'ES256'), kid: jwk.kid })
}

const authentication = await {
  client_secret_basic: () => client.ClientSecretBasic(dialogue.CLIENT_SECRET),
  client_secret_post: () => client.ClientSecretPost(dialogue.CLIENT_SECRET),
  private_key_jwt: privateKeyJwt,
}[dialogue.TOKEN_AUTH]()

const config = await client.discovery(
  new URL(dialogue.ISSUER),
  dialogue.CLIENT_ID,
  { id_token_signed_response_alg: dialogue.ALGORITHM },
  authentication,
  // Clear text on loopback; and the signature of an id_token is verified even where TLS would vouch for it.
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
)
if (!config.serverMetadata().supportsPKCE()) throw new Error('discovery does not announce PKCE')

const DPoP = dialogue.uses('dpop')
  ? client.getDPoPHandle(config, await client.randomDPoPKeyPair(dialogue.ALGORITHM))
  : undefined
const bound = { DPoP }

const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
const expectedNonce = client.randomNonce()
const request = {
  redirect_uri: dialogue.REDIRECT_URI,
  scope: dialogue.SCOPE,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  nonce: expectedNonce,
}
const start = dialogue.uses('par')
  ? await client.buildAuthorizationUrlWithPAR(config, request, bound)
  : client.buildAuthorizationUrl(config, request)
if (start.searchParams.has('redirect_uri') === dialogue.uses('par')) throw new Error('the request goes the wrong way')
const callback = await dialogue.open(start)
const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }
const tokens = await client.authorizationCodeGrant(config, new URL(callback), checks, undefined, bound)
const claims = tokens.claims()
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub, bound)

const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, bound)
await client.fetchUserInfo(config, refreshed.access_token, claims.sub, bound)
const access_token = dialogue.uses('jwt')
  ? [await readByAService(tokens.access_token), await readByAService(refreshed.access_token)]
  : undefined
const introspected = await client.tokenIntrospection(config, refreshed.access_token)
if (DPoP) await holdToTheKey()

await client.tokenRevocation(config, refreshed.refresh_token)
const introspected_after = await client.tokenIntrospection(config, refreshed.access_token)
const refusal = await client.refreshTokenGrant(config, refreshed.refresh_token, undefined, bound).then(
  () => 'none',
  (error) => error.error,
)

/** The tokens are good with the key that they were given for, and with nothing else (RFC 9449). */
async function holdToTheKey() {
  if (tokens.token_type !== 'dpop' || refreshed.token_type !== 'dpop') throw new Error('the tokens are not bound')
  const thumbprint = await DPoP.calculateThumbprint()
  if (introspected.cnf?.jkt !== thumbprint) throw new Error('the token is bound to another key')
  const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair(dialogue.ALGORITHM))
  for (const wrong of [undefined, { DPoP: other }]) {
    const told = await client.fetchUserInfo(config, refreshed.access_token, claims.sub, wrong).then(
      () => 'let in',
      (error) => error.cause?.[0]?.parameters?.error ?? error.code,
    )
    if (told !== 'invalid_token') throw new Error(`without its key the token is ${told}`)
  }
}

/** What an access token claims, to a service that reads it by itself (RFC 9068, section 4). */
async function readByAService(token) {
  const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
  const { payload } = await jwtVerify(token, keys, {
    typ: 'at+jwt',
    issuer: dialogue.ISSUER,
    audience: dialogue.SERVICE,
    algorithms: [dialogue.ALGORITHM],
    requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id'],
  })
  return payload
}

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
  access_token,
  rotated: refreshed.refresh_token !== tokens.refresh_token,
  introspected,
  introspected_after,
  refusal,
})
