//! The real Azure SDK clients: installed with exactly the versions that tests/clients pins.
//!
//! A client is a folder of tests/clients with an executable `client`. The folder is copied below the target
//! folder and its packages are installed beside the copy, so that nothing grows among the sources and
//! `target/clients/<language>/client` runs on its own. Whatever changes in the folder, or in the tools'
//! versions, makes it anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{probe, run};
use crate::test::Skip;
use crate::workspace::{installed, root};

/// One language's way to install packages.
struct Client {
    language: &'static str,
    /// Programs it cannot do without, each with arguments that it answers with success.
    tools: &'static [(&'static str, &'static [&'static str])],
    install: fn(&Path) -> Result<()>,
}

const CLIENTS: [Client; 5] = [
    Client {
        language: "python",
        tools: &[(
            "python3",
            &["-c", "import ensurepip, sys, venv; print(sys.version)"],
        )],
        install: python,
    },
    Client {
        language: "az",
        tools: &[(
            "python3",
            &["-c", "import ensurepip, sys, venv; print(sys.version)"],
        )],
        install: python,
    },
    Client {
        language: "js",
        tools: &[("node", &["--version"]), ("npm", &["--version"])],
        install: js,
    },
    Client {
        language: "java",
        tools: &[("javac", &["-version"]), ("mvn", &["--version"])],
        install: java,
    },
    Client {
        language: "go",
        tools: &[("go", &["version"])],
        install: go,
    },
];

/// All of them; those that this machine lacks the tools for are named.
pub(crate) fn set_up_all() -> Result<()> {
    for Client { language, .. } in CLIENTS {
        match set_up(language)? {
            None => println!("{language}: {}", home(language).join("client").display()),
            Some(Skip::Missing(reason) | Skip::Environment(reason)) => {
                println!("{language}: skipped: {reason}")
            }
        }
    }
    Ok(())
}

/// One of them, unless it is there already; says what is missing where the machine lacks a tool.
pub(crate) fn set_up(language: &str) -> Result<Option<Skip>> {
    let Some(client) = CLIENTS.iter().find(|client| client.language == language) else {
        bail!("there is no client for {language} in tests/clients");
    };
    let versions = match client.versions() {
        Ok(versions) => versions,
        Err(missing) => return Ok(Some(missing)),
    };
    let sources = Sources::read(&root().join("tests/clients").join(language))?;
    let stamp = [versions.as_bytes(), &sources.contents()].concat();
    let home = home(language);
    if fs::read(home.join(STAMP)).is_ok_and(|written| written == stamp) {
        return Ok(None);
    }
    println!("installing the {language} client into {}", home.display());
    sources.copy_to(&home)?;
    (client.install)(&home).with_context(|| format!("installing the {language} client"))?;
    fs::write(home.join(STAMP), stamp).context("noting that the client is installed")?;
    Ok(None)
}

/// Written last: what the installation was made from.
const STAMP: &str = ".made-from";

fn home(language: &str) -> PathBuf {
    installed("clients").join(language)
}

impl Client {
    fn versions(&self) -> Result<String, Skip> {
        self.tools
            .iter()
            .map(|(tool, arguments)| {
                probe(tool, arguments).ok_or_else(|| self.missing(tool, arguments))
            })
            .collect()
    }

    fn missing(&self, tool: &str, arguments: &[&str]) -> Skip {
        let language = self.language;
        let command = [&[tool], arguments].concat().join(" ");
        Skip::Missing(format!(
            "the {language} client needs {tool}, and `{command}` fails on this machine"
        ))
    }
}

/// The files of one client, by their place in its folder.
struct Sources {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Sources {
    fn read(folder: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            let entries: Vec<PathBuf> = fs::read_dir(&next)
                .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
                .with_context(|| format!("listing {}", next.display()))?;
            let (inner, own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|one| one.is_dir());
            folders.extend(inner);
            files.extend(own);
        }
        files.sort();
        Ok(Self {
            folder: folder.to_owned(),
            files,
        })
    }

    fn contents(&self) -> Vec<u8> {
        self.files
            .iter()
            .flat_map(|file| fs::read(file).unwrap_or_default())
            .collect()
    }

    /// Into an empty folder: what an earlier set-up left there could hide that a package is missing.
    fn copy_to(&self, home: &Path) -> Result<()> {
        if home.exists() {
            fs::remove_dir_all(home).with_context(|| format!("removing {}", home.display()))?;
        }
        fs::create_dir_all(home).with_context(|| format!("making {}", home.display()))?;
        for file in &self.files {
            let copy = home.join(file.strip_prefix(&self.folder)?);
            fs::create_dir_all(copy.parent().unwrap_or(home))
                .with_context(|| format!("making the folder of {}", copy.display()))?;
            fs::copy(file, &copy).with_context(|| format!("copying {}", file.display()))?;
        }
        Ok(())
    }
}

fn python(home: &Path) -> Result<()> {
    run(Command::new("python3")
        .current_dir(home)
        .args(["-m", "venv", "venv"]))?;
    let mut pip = Command::new(home.join("venv/bin/python"));
    pip.current_dir(home).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    run(pip.args([
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--requirement",
        "requirements.txt",
    ]))
}

fn js(home: &Path) -> Result<()> {
    run(Command::new("npm")
        .current_dir(home)
        .args(["ci", "--silent", "--ignore-scripts"]))
}

fn java(home: &Path) -> Result<()> {
    let mut maven = Command::new("mvn");
    maven.current_dir(home).args(["--quiet", "--batch-mode"]);
    run(maven.args(["dependency:copy-dependencies", "-DoutputDirectory=jars"]))?;
    run(Command::new("javac").current_dir(home).args([
        "-cp",
        "jars/*",
        "-d",
        "classes",
        "Client.java",
    ]))
}

/// go.sum holds the hashes; the modules come from wherever Go's own settings say.
fn go(home: &Path) -> Result<()> {
    run(Command::new("go").current_dir(home).args([
        "build",
        "-trimpath",
        "-o",
        "bin/",
        "./cmd/...",
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_the_tool_is_told_what_is_missing() {
        let client = Client {
            language: "python",
            tools: &[("no-such-python", &["--version"])],
            install: python,
        };
        let Err(Skip::Missing(reason)) = client.versions() else {
            panic!("a tool that does not exist was found");
        };
        assert_eq!(
            reason,
            "the python client needs no-such-python, and `no-such-python --version` fails on this machine"
        );
    }

    #[test]
    fn every_client_has_a_folder_with_an_executable() {
        for Client { language, .. } in CLIENTS {
            let client = root().join("tests/clients").join(language).join("client");
            assert!(client.is_file(), "{}", client.display());
        }
    }
}
