// oidc-client-ts: its UserManager signs in, loads userinfo, refreshes, revokes and signs out. What it does with a popup
// window in a browser, it does here with the test.
//
// The library reads an id_token without verifying its signature, which OIDC Core (section 3.1.3.7, number 6) allows for a
// token that came straight from the token endpoint. So jose does that, with the keys that the library fetched.
import { createLocalJWKSet, jwtVerify } from 'jose'
import { UserManager } from 'oidc-client-ts'

import * as dialogue from './dialogue.mjs'

const popup = {
  prepare: async () => ({ navigate: async ({ url }) => ({ url: await dialogue.open(url) }), close() {} }),
  callback: async () => {},
}
const manager = new UserManager(
  {
    authority: dialogue.ISSUER,
    client_id: dialogue.CLIENT_ID,
    client_secret: dialogue.CLIENT_SECRET,
    client_authentication: dialogue.TOKEN_AUTH,
    redirect_uri: dialogue.REDIRECT_URI,
    popup_redirect_uri: dialogue.REDIRECT_URI,
    popup_post_logout_redirect_uri: dialogue.POST_LOGOUT_REDIRECT_URI,
    scope: dialogue.SCOPE,
    loadUserInfo: true,
    filterProtocolClaims: false,
    automaticSilentRenew: false,
  },
  undefined,
  popup,
)

async function verify(user) {
  const keys = createLocalJWKSet({ keys: await manager.metadataService.getSigningKeys() })
  const expected = { issuer: dialogue.ISSUER, audience: dialogue.CLIENT_ID, algorithms: [dialogue.ALGORITHM] }
  return jwtVerify(user.id_token, keys, expected)
}

const user = await manager.signinPopup({ nonce: crypto.randomUUID() })
const { payload: claims, protectedHeader } = await verify(user)
const refreshed = await manager.signinSilent()
const { payload: refreshedClaims } = await verify(refreshed)
const rotated = refreshed.refresh_token !== user.refresh_token

// The library revokes with the secret in the body, however the client is registered.
let refusal = null
if (dialogue.TOKEN_AUTH === 'client_secret_post') {
  await manager.revokeTokens(['refresh_token'])
  await manager.storeUser(refreshed)
  refusal = await manager.signinSilent().then(
    () => 'none',
    (error) => error.error,
  )
}

await manager.signoutPopup({ id_token_hint: refreshed.id_token })

dialogue.done({
  algorithm: protectedHeader.alg,
  claims,
  // Claims of the id_token and of userinfo together, after the library compared the two sub.
  userinfo: user.profile,
  refreshed: refreshedClaims,
  rotated,
  refusal,
})
