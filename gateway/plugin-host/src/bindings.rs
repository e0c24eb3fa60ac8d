//! The generated Rust of the WIT packages: the only place with `bindgen!`.
//!
//! The three worlds share their imports. The policy world's bindings hold those it has, the credential
//! world's the rest; each later macro points back with `with`, so the store's state implements each once.

/// `podgate:policy/policy`, and the shared `model`, `log` and `clock`.
pub(crate) mod policy {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/policy"],
        world: "podgate:policy/policy",
        exports: { default: async },
    });
}

/// `podgate:credential/credential`, and the shared `keys` and `http`.
pub(crate) mod credential {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/credential"],
        world: "podgate:credential/credential",
        imports: {
            "podgate:types/http": async,
            "podgate:types/service-account": async,
            // A handle that is not in the table is the guest's fault, so it traps.
            "podgate:types/keys": trappable,
        },
        exports: { default: async },
        with: {
            "podgate:types/model": crate::bindings::policy::podgate::types::model,
            "podgate:types/log": crate::bindings::policy::podgate::types::log,
            "podgate:types/clock": crate::bindings::policy::podgate::types::clock,
            "podgate:types/keys.signing-key": crate::imports::keys::HeldKey,
        },
    });
}

/// `podgate:cache/cache`.
pub(crate) mod cache {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/cache"],
        world: "podgate:cache/cache",
        exports: { default: async },
        with: {
            "podgate:types/model": crate::bindings::policy::podgate::types::model,
            "podgate:types/log": crate::bindings::policy::podgate::types::log,
        },
    });
}
