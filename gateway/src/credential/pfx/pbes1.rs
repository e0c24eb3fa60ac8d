//! The encryption of older files (RFC 7292 Appendix C), to look into their safes before they are read.

use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use des::TdesEde3;
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use pkcs12::pbe_params::Pkcs12PbeParams;
use rc2::Rc2;
use sha1::Sha1;
use zeroize::Zeroizing;

/// The block of both ciphers, in bytes.
const BLOCK: usize = 8;

/// The two that users hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cipher {
    /// pbeWithSHAAnd40BitRC2-CBC
    Rc2,
    /// pbeWithSHAAnd3-KeyTripleDES-CBC
    TripleDes,
}

/// None where the password does not fit. Whoever calls has counted the cost.
pub(super) fn decrypt(
    cipher: Cipher,
    params: &Pkcs12PbeParams,
    bytes: &[u8],
    password: &str,
) -> Option<Zeroizing<Vec<u8>>> {
    let derive = |purpose, length| {
        let (salt, rounds) = (params.salt.as_bytes(), params.iterations);
        derive_key_utf8::<Sha1>(password, salt, purpose, rounds, length)
            .ok()
            .map(Zeroizing::new)
    };
    let iv = derive(Pkcs12KeyType::Iv, BLOCK)?;
    match cipher {
        Cipher::Rc2 => cbc::<Rc2>(&derive(Pkcs12KeyType::EncryptionKey, 5)?, &iv, bytes),
        Cipher::TripleDes => {
            cbc::<TdesEde3>(&derive(Pkcs12KeyType::EncryptionKey, 24)?, &iv, bytes)
        }
    }
}

fn cbc<C: KeyInit + BlockCipherDecrypt>(
    key: &[u8],
    iv: &[u8],
    bytes: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = Decryptor::<C>::new_from_slices(key, iv).ok()?;
    let plain = cipher.decrypt_padded_vec::<Pkcs7>(bytes).ok()?;
    Some(Zeroizing::new(plain))
}
