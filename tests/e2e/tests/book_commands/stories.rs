//! Who reads which pages, and what happens between their lines.

use crate::story::{Aside, Scene, Story};

pub(crate) const STORIES: [&Story; 5] = [&NEWCOMER, &VISITOR, &INSTALLER, &MIGRATION, &OPERATOR];

const fn aside(at: &'static str, script: &'static str) -> Aside {
    Aside { at, script }
}

/// Of a page whose commands need nothing but what is there.
const fn plain(page: &'static str) -> Scene {
    Scene { page, asides: &[] }
}

pub(crate) const NEWCOMER: Story = Story {
    before: &[],
    scenes: &[Scene {
        page: "docs/book/src/getting-started.md",
        asides: &[
            aside(
                "kubectl --namespace podgate delete serviceaccount",
                "kubectl --namespace podgate wait --for=delete pod --all --timeout=1m
                kubectl --namespace podgate get daemonset,deployment,job --output name | none podgate",
            ),
            // As long as one record is left, it is waited for.
            aside(
                "kubectl wait --for=delete azureassignedidentities",
                "kubectl create --filename $REPOSITORY/tests/e2e/tests/book_commands/record.yaml
                (sleep 2; kubectl delete azureassignedidentity reader-demo-reader) >/dev/null 2>&1 &",
            ),
            aside(
                "",
                "kubectl get azureassignedidentities,azureidentitybindings --all-namespaces --output name | none .
                kubectl --namespace podgate get serviceaccount,role,rolebinding --output name | none podgate
                kubectl --namespace demo get azureidentity reader",
            ),
        ],
    }],
};

pub(crate) const VISITOR: Story = Story {
    before: &[],
    scenes: &[
        Scene {
            page: "README.md",
            asides: &[aside(
                "",
                "kubectl --namespace default rollout status daemonset/podgate-gateway
                kubectl --namespace default rollout status deployment/podgate-controller
                helm uninstall podgate
                kubectl --namespace default delete serviceaccount,role,rolebinding podgate-gateway",
            )],
        },
        Scene {
            page: "charts/podgate/README.md",
            asides: &[aside(
                "kubectl --namespace podgate delete serviceaccount",
                "kubectl --namespace podgate rollout status daemonset/podgate-gateway
                helm uninstall podgate --namespace podgate",
            )],
        },
    ],
};

/// Between two ways to install.
const REMOVED: Aside = aside(
    "helm install podgate",
    "helm uninstall podgate --namespace podgate --no-hooks --wait",
);

pub(crate) const INSTALLER: Story = Story {
    before: &[],
    scenes: &[
        Scene {
            page: "docs/book/src/install/index.md",
            // As an older release has them, and helm wrote them.
            asides: &[aside(
                "kubectl apply --server-side",
                "for kind in azureidentities azureidentitybindings; do
                    kubectl patch customresourcedefinition $kind.aadpodidentity.k8s.io --field-manager helm --type json --patch \
                        '[{\"op\": \"add\", \"path\": \"/spec/versions/0/schema/openAPIV3Schema/description\", \"value\": \"as it was\"}]'
                done",
            ),
            aside(
                "",
                "kubectl get customresourcedefinitions --output yaml | none 'as it was'
                helm rollback podgate --namespace podgate",
            )],
        },
        Scene {
            page: "docs/book/src/install/aks.md",
            asides: &[REMOVED],
        },
        Scene {
            page: "docs/book/src/install/self-managed.md",
            asides: &[REMOVED],
        },
        Scene {
            page: "docs/book/src/install/private-registries.md",
            // What the page goes on with.
            asides: &[aside("", "test -f podgate-0.2.0.tgz")],
        },
    ],
};

/// An application with its identity.
const DEMO: &str = "
kubectl create namespace demo
kubectl apply --filename examples/manifests/user-assigned.yaml
kubectl --namespace demo rollout status deployment/reader --timeout=2m
";
const OLD_AGENT: &str = "
kubectl create --filename charts/podgate/crds
helm install aad-pod-identity $REPOSITORY/tests/e2e/tests/book_commands/aad-pod-identity --namespace kube-system \
    --values $REPOSITORY/tests/chart/values/old-chart.yaml
kubectl --namespace kube-system rollout status daemonset/aad-pod-identity-nmi --timeout=2m
kubectl --namespace kube-system rollout status deployment/aad-pod-identity-mic --timeout=2m
";

pub(crate) const MIGRATION: Story = Story {
    before: &[OLD_AGENT, DEMO],
    scenes: &[Scene {
        page: "docs/book/src/migrating.md",
        asides: &[
            aside(
                "kubectl --namespace kube-system patch daemonset aad-pod-identity-nmi --patch",
                "podgate explain $(pod demo app=reader) --namespace demo --output json | grep '\"old-gateway\"'",
            ),
            aside(
                "kubectl --namespace kube-system patch daemonset aad-pod-identity-nmi --type json",
                "kubectl --namespace kube-system wait --for=delete pod --selector app.kubernetes.io/component=nmi --timeout=1m",
            ),
            // The Job would take from the machines what the old controller has put there.
            aside(
                "kubectl --namespace kube-system rollout restart",
                "kubectl --namespace podgate get events --output name | none podgate-retire
                kubectl --namespace podgate wait --for=delete pod --all --timeout=1m",
            ),
            // There again.
            aside(
                "kubectl --namespace kube-system scale deployment aad-pod-identity-mic --replicas=0",
                "helm install podgate charts/podgate --namespace podgate --values old-defaults.yaml --values old-values.yaml \
                    --set mic.replicas=0,nmi.probePort=8086,azureIdentities=null
                kubectl --namespace kube-system patch daemonset aad-pod-identity-nmi \
                    --patch '{\"spec\":{\"template\":{\"spec\":{\"nodeSelector\":{\"podgate.io/parked\":\"true\"}}}}}'",
            ),
            aside(
                "kubectl --namespace kube-system delete daemonset",
                "kubectl --namespace kube-system scale deployment aad-pod-identity-mic --replicas=0
                helm upgrade podgate charts/podgate --namespace podgate --reuse-values --set mic.replicas=2",
            ),
            // Objects that nobody's release has.
            aside(
                "helm upgrade podgate charts/podgate --namespace podgate --reuse-values --take-ownership",
                "helm list --all --namespace kube-system --short | none aad-pod-identity
                cp $REPOSITORY/tests/chart/values/service-principals.yaml identities.yaml
                kubectl create namespace apps
                helm template podgate charts/podgate --kube-version v1.33.4 --namespace podgate --values identities.yaml \
                    --show-only templates/identities.yaml | kubectl create --filename -
                if helm upgrade podgate charts/podgate --namespace podgate --reuse-values --values identities.yaml; then exit 1; fi",
            ),
            aside(
                "",
                "helm get manifest podgate --namespace podgate | grep 'name: reader-binding'
                helm upgrade podgate charts/podgate --namespace podgate --reuse-values
                kubectl --namespace demo get azureidentity,azureidentitybinding reader",
            ),
        ],
    }],
};

const INSTALLED: &str = "
kubectl create namespace podgate
helm install podgate charts/podgate --namespace podgate --set image.repository=registry.example.com/podgate
kubectl --namespace podgate rollout status daemonset/podgate-gateway --timeout=2m
kubectl --namespace podgate rollout status deployment/podgate-controller --timeout=2m
";
/// As whoever has an application would set it.
const IN_ITS_NAMESPACE: &str = "kubectl config set-context --current --namespace demo";

pub(crate) const OPERATOR: Story = Story {
    before: &[INSTALLED, DEMO, IN_ITS_NAMESPACE],
    scenes: &[
        plain("docs/book/src/configuration.md"),
        Scene {
            page: "docs/cli.md",
            asides: &[aside("", "kubectl podgate explain --help")],
        },
        plain("docs/controller.md"),
        plain("docs/plugins.md"),
        plain("docs/refusals.md"),
        plain("docs/book/src/runbook/index.md"),
        Scene {
            page: "docs/book/src/runbook/node.md",
            // As a node comes.
            asides: &[aside(
                "kubectl taint node",
                "kubectl taint node $(kubectl get nodes --output 'jsonpath={.items[0].metadata.name}') podgate.io/not-ready=:NoSchedule",
            )],
        },
        Scene {
            page: "docs/book/src/runbook/refusals.md",
            asides: &[
                aside(
                    "openssl pkcs12 -export",
                    "cp $REPOSITORY/tests/testkit/fixtures/rsa.crt.pem cert.pem
                    cp $REPOSITORY/tests/testkit/fixtures/rsa.key.pem key.pem",
                ),
                // What the gateway reads.
                aside(
                    "kubectl --namespace NAMESPACE create secret generic NAME",
                    "openssl pkcs12 -in new.pfx -passin env:PASSWORD -nokeys -info 2>&1 | grep 'PBES2, PBKDF2, AES-256-CBC'",
                ),
            ],
        },
        plain("docs/book/src/runbook/start.md"),
        Scene {
            page: "docs/book/src/runbook/controller.md",
            asides: &[
                aside(
                    "kubectl --namespace podgate logs job/podgate-retire",
                    "touch jobs-are-busy
                    if helm uninstall podgate --namespace podgate --timeout 5s; then exit 1; fi
                    rm jobs-are-busy",
                ),
                aside(
                    "",
                    "helm list --all --namespace podgate --short | none podgate",
                ),
            ],
        },
    ],
};
