use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const GROUP: &str =
    "/subscriptions/5ab50000-0000-4000-8000-000000000001/resourceGroups/MC_a.b(c)_eu";

fn id(text: &str) -> ComputeId {
    text.parse().unwrap()
}

#[test]
fn an_instance_of_a_uniform_scale_set_is_its_scale_set() {
    let one = id(&format!(
        "azure://{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/aks-np-vmss/virtualMachines/12"
    ));
    assert_eq!(one.kind(), ComputeKind::ScaleSet);
    assert_eq!(one.name(), "aks-np-vmss");
    assert_eq!(one.resource_group(), "MC_a.b(c)_eu");
    assert_eq!(one.subscription(), "5ab50000-0000-4000-8000-000000000001");
    let end = "/providers/Microsoft.Compute/virtualMachineScaleSets/aks-np-vmss";
    assert_eq!(one.as_str(), format!("{GROUP}{end}"));
}

#[test]
fn a_virtual_machine_of_a_flexible_scale_set_is_itself() {
    let one = id(&format!(
        "azure://{GROUP}/providers/Microsoft.Compute/virtualMachines/aks-flex_5f2e"
    ));
    assert_eq!(one.kind(), ComputeKind::VirtualMachine);
    assert_eq!(
        one.to_string(),
        "virtual machine aks-flex_5f2e (group MC_a.b(c)_eu)"
    );
}

#[test]
fn case_does_not_matter_anywhere() {
    let spelt = format!(
        "azure://{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/Np/virtualMachines/0"
    );
    let spellings = [spelt.clone(), spelt.to_lowercase(), spelt.to_uppercase()];
    let ids: HashSet<ComputeId> = spellings.iter().map(|text| id(text)).collect();
    assert_eq!(ids.len(), 1);
}

#[test]
fn same_names_in_two_groups_are_two() {
    let of = |group: &str| {
        id(&format!(
            "/subscriptions/s/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/v"
        ))
    };
    assert_ne!(of("a"), of("b"));
}

#[test]
fn what_is_no_node_of_azure_is_refused() {
    let machine = format!("{GROUP}/providers/Microsoft.Compute/virtualMachines/v");
    for text in [
        "",
        "kind://docker/kind/worker",
        "aws:///eu-west-1a/i-0123",
        &format!("aws://{machine}"),
        &format!("azure:/{machine}"),
        &format!("{machine}/"),
        &format!("{machine}/extensions/x"),
        &format!("{machine}/virtualMachines/0"),
        &machine.replace("Compute", "Network"),
        &machine.replace("virtualMachines/v", "virtualMachines/.."),
        &machine.replace("virtualMachines/v", "virtualMachines/v?api-version=1"),
        &machine.replace(
            "virtualMachines/v",
            "virtualMachineScaleSets/v/virtualMachines/",
        ),
        &machine.replace(
            "virtualMachines/v",
            "virtualMachineScaleSets/v/virtualMachines/0/x",
        ),
        &machine.replace("virtualMachines/v", "disks/v"),
    ] {
        let why = text.parse::<ComputeId>().unwrap_err();
        assert!(matches!(why, InvalidComputeId::Form { .. }), "{text}");
    }
    let endless = format!("{machine}{}", "v".repeat(2000));
    assert!(matches!(
        endless.parse::<ComputeId>().unwrap_err(),
        InvalidComputeId::TooLong { .. }
    ));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_what_is_read_reads_itself(text in "(azure://)?[/a-zA-Z.:%]{0,80}|\\PC{0,40}") {
        if let Ok(one) = text.parse::<ComputeId>() {
            prop_assert_eq!(id(one.as_str()), one);
        }
    }
}
