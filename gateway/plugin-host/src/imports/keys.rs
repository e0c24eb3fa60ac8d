//! `podgate:types/keys`: the host signs, the plugin holds a handle.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::credential::podgate::types::keys;
use crate::bindings::credential::podgate::types::keys::{Host, HostSigningKey};
use crate::guest::State;
use crate::{Algorithm, SignError, SigningKey, text};

/// A key in the table of one call's handles. The table ends with the call, and the handle with it.
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct HeldKey(pub(crate) Arc<dyn SigningKey>);

type Handle = Resource<HeldKey>;

impl State {
    fn key(&self, handle: &Handle) -> wasmtime::Result<&dyn SigningKey> {
        Ok(&*self.handles.get(handle)?.0)
    }
}

impl Host for State {}

impl HostSigningKey for State {
    fn sign(
        &mut self,
        handle: Handle,
        algorithm: keys::Algorithm,
        message: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, keys::Error>> {
        let signed = self.key(&handle)?.sign(algorithm.into(), &message);
        Ok(signed.map_err(keys::Error::from))
    }

    fn thumbprint_sha1(&mut self, handle: Handle) -> wasmtime::Result<Vec<u8>> {
        Ok(self.key(&handle)?.thumbprint_sha1().to_vec())
    }

    fn thumbprint_sha256(&mut self, handle: Handle) -> wasmtime::Result<Vec<u8>> {
        Ok(self.key(&handle)?.thumbprint_sha256().to_vec())
    }

    fn chain(&mut self, handle: Handle) -> wasmtime::Result<Vec<Vec<u8>>> {
        Ok(self.key(&handle)?.chain())
    }

    fn drop(&mut self, handle: Handle) -> wasmtime::Result<()> {
        self.handles.delete(handle)?;
        Ok(())
    }
}

impl From<keys::Algorithm> for Algorithm {
    fn from(algorithm: keys::Algorithm) -> Self {
        match algorithm {
            keys::Algorithm::Ps256 => Self::Ps256,
            keys::Algorithm::Rs256 => Self::Rs256,
        }
    }
}

impl From<Algorithm> for keys::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ps256 => Self::Ps256,
            Algorithm::Rs256 => Self::Rs256,
        }
    }
}

impl From<SignError> for keys::Error {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Unsupported(algorithm) => Self::Unsupported(algorithm.into()),
            SignError::Other(cause) => Self::Other(text::clean(&cause, text::MAX_SHOWN)),
        }
    }
}
