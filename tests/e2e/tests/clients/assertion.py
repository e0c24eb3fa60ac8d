"""Checks token requests with PyJWT and cryptography, as an authority would that knows the application's certificates.

Standard input: JSON, a list of {request: {url, headers, body}, chain (PEM, leaf first), client_id, field, audience,
algorithm, sends_chain}. Standard output: a JSON list, one item for each: null, or why the request is refused.
"""

import base64
import json
import sys
import uuid
from urllib.parse import parse_qs

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

# RFC 7523, section 2.2; Microsoft: "Certificate credentials", from begin to end at most ten minutes.
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE_S = 600
# The thumbprint that goes with an algorithm, by its name in the header.
THUMBPRINTS = {"PS256": ("x5t#S256", hashes.SHA256()), "RS256": ("x5t", hashes.SHA1())}


def same(what, found, expected):
    if found != expected:
        raise ValueError(f"{what}: {found!r} is not {expected!r}")


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def form(request):
    same("content-type", dict(request["headers"]).get("content-type"), "application/x-www-form-urlencoded")
    fields = parse_qs(request["body"], strict_parsing=True, keep_blank_values=True)
    if repeated := [name for name, values in fields.items() if len(values) != 1]:
        raise ValueError(f"fields that are there twice: {repeated}")
    return {name: values[0] for name, values in fields.items()}


def check_form(fields, case):
    expected = {
        "grant_type": "client_credentials",
        "client_id": case["client_id"],
        "client_assertion_type": ASSERTION_TYPE,
        case["field"]: case["audience"],
    }
    same("form", {name: value for name, value in fields.items() if name != "client_assertion"}, expected)


def check_header(header, chain, case):
    name, digest = THUMBPRINTS[case["algorithm"]]
    expected = {"alg": case["algorithm"], "typ": "JWT", name: base64url(chain[0].fingerprint(digest))}
    same("header", {key: value for key, value in header.items() if key != "x5c"}, expected)
    same("x5c is there", "x5c" in header, case["sends_chain"])


def check_chain(sent, chain):
    """RFC 7515, section 4.1.6: base64 of DER, the signer first, each certified by the next."""
    ders = [base64.b64decode(text, validate=True) for text in sent]
    same("x5c", ders, [certificate.public_bytes(Encoding.DER) for certificate in chain])
    certificates = [x509.load_der_x509_certificate(der) for der in ders]
    for certificate, issuer in zip(certificates, certificates[1:]):
        certificate.verify_directly_issued_by(issuer)


def check_claims(assertion, chain, case):
    claims = jwt.decode(
        assertion,
        key=chain[0].public_key(),
        algorithms=[case["algorithm"]],
        audience=case["request"]["url"],
        issuer=case["client_id"],
        subject=case["client_id"],
        leeway=0,
        options={"require": ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"], "strict_aud": True},
    )
    same("jti", str(uuid.UUID(claims["jti"])), claims["jti"])
    if not 0 < claims["exp"] - claims["nbf"] <= LONGEST_LIFE_S:
        raise ValueError(f"it lives from {claims['nbf']} to {claims['exp']}")


def check(case):
    chain = x509.load_pem_x509_certificates(case["chain"].encode())
    fields = form(case["request"])
    assertion = fields["client_assertion"]
    header = jwt.get_unverified_header(assertion)
    check_form(fields, case)
    check_header(header, chain, case)
    check_chain(header.get("x5c", []), chain if case["sends_chain"] else [])
    check_claims(assertion, chain, case)


def refusal(case):
    try:
        check(case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


print(json.dumps([refusal(case) for case in json.load(sys.stdin)]))
