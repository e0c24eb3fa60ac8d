//! Which machines' changes were put off.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use podgate_azure::arm::ComputeId;

/// Machines that are remembered. Those that went while a change of theirs was put off stay until then.
const MOST: usize = 4_096;

/// Machines of which a change was put off, and none has succeeded since. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct PutOff(Arc<Mutex<HashSet<ComputeId>>>);

impl PutOff {
    /// Whether a change of this machine may be put off; if so, it is.
    pub(super) fn may(&self, id: &ComputeId) -> bool {
        let mut machines = self.0.lock();
        if machines.len() >= MOST {
            machines.clear();
        }
        machines.insert(id.clone())
    }

    /// A change has succeeded.
    pub(super) fn done(&self, id: &ComputeId) {
        self.0.lock().remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(number: usize) -> ComputeId {
        format!(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/{number}"
        )
        .parse()
        .unwrap()
    }

    #[test]
    fn a_change_is_put_off_once_until_one_has_succeeded() {
        let put_off = PutOff::default();
        assert!(put_off.may(&machine(1)) && !put_off.may(&machine(1)));
        assert!(put_off.may(&machine(2)), "each machine by itself");
        put_off.done(&machine(1));
        assert!(put_off.may(&machine(1)) && !put_off.may(&machine(2)));
    }

    #[test]
    fn machines_that_come_and_go_do_not_fill_the_memory() {
        let put_off = PutOff::default();
        for number in 0..2 * MOST {
            put_off.may(&machine(number));
        }
        assert!(put_off.0.lock().len() <= MOST);
    }
}
