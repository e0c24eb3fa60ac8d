//! The controller: which pod may use which identity, and the identities on the nodes.
//!
//! ```text
//! watch ▸ index ▸ matching ▸ plan ▸ apply ──▶ AzureAssignedIdentity, one PATCH per VMSS/VM
//! ```
