"""Authlib in a Flask application, as its documentation has it: sign-in, userinfo, refresh, introspection, revocation and
logout, each checked by the library; by a key of its own where the client is registered so. Access tokens that are JWTs are
verified by joserfc, which Authlib stands on, as a service would that knows nothing but the issuer. The test that started it plays the browser: settings come in the environment, one
JSON object a line goes to standard output, addresses that the browser came back to come on standard input.
"""

import json
import os
import secrets
import sys
from urllib.parse import urljoin, urlsplit

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from flask import Flask, request
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet

app = Flask(__name__)
app.secret_key = secrets.token_hex()
authentication = {
    "token_endpoint_auth_method": os.environ["TOKEN_AUTH"],
    "revocation_endpoint_auth_method": os.environ["TOKEN_AUTH"],
}
signs = os.environ["TOKEN_AUTH"] == "private_key_jwt"
uses = os.environ["USES"].split()


def private_key_jwt():
    return PrivateKeyJWT(alg="ES256", headers={"kid": json.loads(os.environ["CLIENT_KEY"])["kid"]})


flybridge = OAuth(app).register(
    "flybridge",
    client_id=os.environ["CLIENT_ID"],
    client_secret=ECKey.import_key(json.loads(os.environ["CLIENT_KEY"])) if signs else os.environ["CLIENT_SECRET"],
    client_auth_methods=[private_key_jwt()] if signs else None,
    server_metadata_url=os.environ["ISSUER"] + "/.well-known/openid-configuration",
    client_kwargs={"scope": os.environ["SCOPE"], "code_challenge_method": "S256", **authentication},
)


@app.get("/sign-in")
def sign_in():
    return flybridge.authorize_redirect(os.environ["REDIRECT_URI"])


@app.get(urlsplit(os.environ["REDIRECT_URI"]).path)
def callback():
    tokens = flybridge.authorize_access_token()
    claims = tokens.pop("userinfo")
    userinfo = ask_userinfo(tokens, claims)

    refreshed = flybridge.fetch_access_token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    refreshed_claims = flybridge.parse_id_token(refreshed, nonce=None)
    ask_userinfo(refreshed, claims)

    return {
        "id_token": refreshed["id_token"],
        "seen": {
            "algorithm": jws.extract_compact(tokens["id_token"].encode()).headers()["alg"],
            "claims": claims,
            "userinfo": userinfo,
            "refreshed": refreshed_claims,
            "access_token": [read_by_a_service(tokens), read_by_a_service(refreshed)] if "jwt" in uses else None,
            "rotated": refreshed["refresh_token"] != tokens["refresh_token"],
            **give_back(refreshed),
        },
    }


def ask_userinfo(tokens, claims):
    userinfo = flybridge.userinfo(token=tokens)
    if userinfo["sub"] != claims["sub"]:
        raise ValueError("userinfo is about somebody else")
    return userinfo


def read_by_a_service(tokens):
    """What an access token claims, to a service that reads it by itself (RFC 9068, section 4)."""
    keys = KeySet.import_key_set(flybridge.fetch_jwk_set())
    token = jwt.decode(tokens["access_token"], keys, algorithms=[os.environ["ALGORITHM"]])
    essential = {name: {"essential": True} for name in ("exp", "iat", "jti", "sub", "client_id")}
    wanted = {"iss": os.environ["ISSUER"], "aud": os.environ["SERVICE"]}
    for name, value in wanted.items():
        essential[name] = {"essential": True, "value": value}
    jwt.JWTClaimsRegistry(**essential).validate(token.claims)
    if token.header["typ"] != "at+jwt":
        raise ValueError("this is no access token")
    return token.claims


def give_back(tokens):
    """Revokes the grant, and looks before and after."""
    metadata = flybridge.load_server_metadata()
    session = OAuth2Session(flybridge.client_id, flybridge.client_secret, **authentication)
    if signs:
        session.register_client_auth_method(private_key_jwt())

    def introspect():
        return session.introspect_token(metadata["introspection_endpoint"], tokens["access_token"]).json()

    introspected = introspect()
    session.revoke_token(metadata["revocation_endpoint"], tokens["refresh_token"]).raise_for_status()
    try:
        flybridge.fetch_access_token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        refusal = "none"
    except OAuthError as error:
        refusal = error.error
    return {"introspected": introspected, "introspected_after": introspect(), "refusal": refusal}


@app.post("/sign-out")
def sign_out():
    id_token = request.form["id_token"]
    return flybridge.logout_redirect(os.environ["POST_LOGOUT_REDIRECT_URI"], id_token_hint=id_token)


@app.get(urlsplit(os.environ["POST_LOGOUT_REDIRECT_URI"]).path)
def signed_out():
    flybridge.validate_logout_response()
    return {}


def say(message):
    print(json.dumps(message), flush=True)


def open_in_browser(redirect):
    """Has the address opened that a redirect leads to, and gives the one that the browser was sent back to."""
    say({"open": redirect.location})
    back = sys.stdin.readline().strip()
    if not back:
        sys.exit("the browser never came back")
    return back


def main():
    app.testing = True  # Errors come out here instead of as a page.
    browser = app.test_client()
    here = urljoin(os.environ["REDIRECT_URI"], "/")
    answer = browser.get(open_in_browser(browser.get(here + "sign-in"))).get_json()
    browser.get(open_in_browser(browser.post(here + "sign-out", data={"id_token": answer["id_token"]})))
    say({"seen": answer["seen"]})


if __name__ == "__main__":
    main()
