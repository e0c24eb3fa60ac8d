//! What reading a PFX may cost. Its author chooses how much work its password takes, for each bag anew, and
//! derivation can neither be interrupted nor cancelled: so it is added up first, and refused when too much.
//!
//! The file is taken apart with the types of the library that reads it afterwards, so that both see the same.
//! Encrypted safes are opened here as well, since they can hide bags that cost as much again.

use der::asn1::{ContextSpecific, OctetString};
use der::oid::ObjectIdentifier;
use der::{Decode, Encode};
use pkcs5::pbes2;
use pkcs12::cms::cert::x509::spki::AlgorithmIdentifierOwned;
use pkcs12::cms::content_info::ContentInfo;
use pkcs12::cms::encrypted_data::EncryptedData;
use pkcs12::pbe_params::{EncryptedPrivateKeyInfo, Pkcs12PbeParams};
use pkcs12::safe_bag::{SafeBag, SafeContents};
use pkcs12::{
    AuthenticatedSafe, PKCS_12_PBE_WITH_SHAAND3_KEY_TRIPLE_DES_CBC as PBE_3DES,
    PKCS_12_PBEWITH_SHAAND40_BIT_RC2_CBC as PBE_RC2, PKCS_12_PKCS8_KEY_BAG_OID as SHROUDED_KEY,
    PKCS_12_SECRET_BAG_OID as SECRET, Pfx,
};
use zeroize::Zeroizing;

use super::super::key::KeyError;
use super::pbes1;

/// Bags of one file: a key, the certificates of a chain, and room.
const MAX_BAGS: usize = 16;
/// Iterations of all derivations together: a second of one core's time. OpenSSL and Windows write 2,000 for
/// each, Java 10,000.
const MAX_ITERATIONS: u64 = 1_000_000;

/// Content in the clear (RFC 5652 §4).
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// Content under a password (RFC 5652 §8).
const ENCRYPTED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");

/// What has been counted so far.
#[derive(Default)]
struct Cost {
    bags: usize,
    iterations: u64,
}

/// Refuses a file that takes too much work to read.
///
/// # Errors
/// What is too much of, or that the file cannot be taken apart at all.
pub(super) fn check(file: &[u8], password: &str) -> Result<(), KeyError> {
    let pfx = Pfx::from_der(file).map_err(unreadable)?;
    let mut cost = Cost::default();
    if let Some(mac) = &pfx.mac_data {
        cost.derive(i64::from(mac.iterations))?;
    }
    if pfx.auth_safe.content_type != DATA {
        return Err(refused("its content is signed or enveloped with a key"));
    }
    let safes = AuthenticatedSafe::from_der(&octets(&pfx.auth_safe)?).map_err(unreadable)?;
    if safes.len() > MAX_BAGS {
        return Err(too_many(safes.len()));
    }
    safes
        .iter()
        .try_for_each(|safe| cost.add_safe(safe, password))
}

// === impl Cost ===

impl Cost {
    /// Other contents than these cost nothing, since nobody reads them.
    fn add_safe(&mut self, safe: &ContentInfo, password: &str) -> Result<(), KeyError> {
        match safe.content_type {
            DATA => self.add_bags(&octets(safe)?, unreadable),
            ENCRYPTED => {
                let content = self.open(safe, password)?;
                self.add_bags(&content, |_| wrong_password())
            }
            _ => Ok(()),
        }
    }

    /// The bags of an encrypted safe; its own cost is counted before it is paid.
    fn open(&mut self, safe: &ContentInfo, password: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let der = safe.content.to_der().map_err(unreadable)?;
        let content = EncryptedData::from_der(&der)
            .map_err(unreadable)?
            .enc_content_info;
        let scheme = self.scheme(&content.content_enc_alg)?;
        let bytes = content.encrypted_content.as_ref();
        let bytes = bytes.map_or(&[][..], OctetString::as_bytes);
        scheme.decrypt(bytes, password).ok_or_else(wrong_password)
    }

    fn add_bags(
        &mut self,
        contents: &[u8],
        broken: impl Fn(der::Error) -> KeyError,
    ) -> Result<(), KeyError> {
        let bags = SafeContents::from_der(contents).map_err(broken)?;
        self.bags += bags.len();
        match self.bags > MAX_BAGS {
            true => Err(too_many(self.bags)),
            false => bags.iter().try_for_each(|bag| self.add_bag(bag)),
        }
    }

    fn add_bag(&mut self, bag: &SafeBag) -> Result<(), KeyError> {
        match bag.bag_id {
            SECRET => Err(refused("it holds a secret bag, which no certificate needs")),
            SHROUDED_KEY => {
                let key: ContextSpecific<EncryptedPrivateKeyInfo> =
                    ContextSpecific::from_der(&bag.bag_value).map_err(unreadable)?;
                self.scheme(&key.value.encryption_algorithm).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// How something is encrypted, once its derivation is counted.
    fn scheme(&mut self, algorithm: &AlgorithmIdentifierOwned) -> Result<Scheme, KeyError> {
        let scheme = Scheme::parse(algorithm)?;
        match &scheme {
            Scheme::Pbes1(_, params) => self.derive(i64::from(params.iterations))?,
            Scheme::Pbes2(params) => match &params.kdf {
                pbes2::Kdf::Pbkdf2(pbkdf2) => self.derive(i64::from(pbkdf2.iteration_count))?,
                _ => return Err(refused(&format!("its key is derived with scrypt{CURE}"))),
            },
        }
        Ok(scheme)
    }

    fn derive(&mut self, iterations: i64) -> Result<(), KeyError> {
        let iterations = u64::try_from(iterations)
            .ok()
            .filter(|iterations| *iterations > 0)
            .ok_or_else(|| refused("a number of iterations in it is not positive"))?;
        self.iterations = self.iterations.saturating_add(iterations);
        match self.iterations > MAX_ITERATIONS {
            true => Err(refused(&format!(
                "its password takes more than {MAX_ITERATIONS} iterations; export it again with fewer (-iter 10000)"
            ))),
            false => Ok(()),
        }
    }
}

/// How a safe or a key is encrypted.
enum Scheme {
    /// RFC 7292 Appendix C
    Pbes1(pbes1::Cipher, Pkcs12PbeParams),
    /// RFC 8018 §6.2
    Pbes2(pbes2::Parameters),
}

impl Scheme {
    fn parse(algorithm: &AlgorithmIdentifierOwned) -> Result<Self, KeyError> {
        let params = algorithm.parameters.as_ref();
        let params = params.ok_or_else(|| refused("an algorithm in it has no parameters"))?;
        let der = params.to_der().map_err(unreadable)?;
        let pbes1 =
            |cipher| Pkcs12PbeParams::from_der(&der).map(|params| Self::Pbes1(cipher, params));
        match algorithm.oid {
            PBE_RC2 => pbes1(pbes1::Cipher::Rc2),
            PBE_3DES => pbes1(pbes1::Cipher::TripleDes),
            pbes2::PBES2_OID => pbes2::Parameters::from_der(&der).map(Self::Pbes2),
            other => {
                return Err(refused(&format!(
                    "its encryption {other} is not supported{CURE}"
                )));
            }
        }
        .map_err(|_| {
            refused(&format!(
                "the parameters of its encryption are not supported{CURE}"
            ))
        })
    }

    /// None where the password does not fit.
    fn decrypt(&self, bytes: &[u8], password: &str) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Pbes1(cipher, params) => pbes1::decrypt(*cipher, params, bytes, password),
            Self::Pbes2(params) => params
                .decrypt(password.as_bytes(), bytes)
                .ok()
                .map(Zeroizing::new),
        }
    }
}

const CURE: &str = "; export it again with PBES2 (AES-256, SHA-256), 3DES or RC2-40";

fn octets(content: &ContentInfo) -> Result<Vec<u8>, KeyError> {
    let der = content.content.to_der().map_err(unreadable)?;
    let octets = OctetString::from_der(&der).map_err(unreadable)?;
    Ok(octets.into_bytes().into_vec())
}

fn refused(problem: &str) -> KeyError {
    KeyError::Pfx(problem.to_owned())
}

fn too_many(bags: usize) -> KeyError {
    refused(&format!(
        "it holds {bags} bags, and at most {MAX_BAGS} are read; export one key with its chain"
    ))
}

fn unreadable(_: der::Error) -> KeyError {
    refused("it is neither PKCS#12 nor PEM, or it is cut short")
}

fn wrong_password() -> KeyError {
    refused("the password is wrong (key `password` of the Secret)")
}
