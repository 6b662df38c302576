//! Runs the program in a folder of the test's own, with an environment that says nothing, and keeps all it answers.
//! And cargo, for what it knows of the workspace.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What cargo knows of the workspace's own packages.
pub(crate) fn cargo_metadata() -> serde_json::Value {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let manifests = env!("CARGO_MANIFEST_DIR");
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(manifests).output().unwrap();
    serde_json::from_slice(&output.stdout).expect("cargo prints its metadata as JSON")
}

/// An empty folder that a test may fill.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder of this name below the target directory, emptied; tests run at once, so the name is the test's own.
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::remove_dir_all(&path).unwrap_or_default();
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The folder with this file in it.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        fs::write(self.0.join(name), text).unwrap();
        self
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// `farebox` with these arguments, apart by blanks, in this folder.
    pub(crate) fn farebox(&self, arguments: &str) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farebox"));
        command.args(arguments.split_whitespace()).current_dir(&self.0).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Program(command)
    }
}

/// The program, about to run.
pub(crate) struct Program(Command);

impl Program {
    /// One more argument, which may have blanks in it.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.0.arg(argument);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    /// At most so many open files: by way of a shell, which lowers the limit for what it then becomes.
    pub(crate) fn open_files(self, most: u32) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]);
        shell.arg(self.0.get_program()).args(self.0.get_args()).env_clear();
        shell.current_dir(self.0.get_current_dir().expect("every program runs in the folder of its test"));
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(shell)
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.0.stdin(stdin);
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.0.stdout(stdout);
        self
    }

    pub(crate) fn run(mut self) -> Answer {
        let output = self.0.spawn().unwrap().wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8");
        Answer { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// What the program answered; as text, the whole of it, for snapshots.
pub(crate) struct Answer {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit code {code}")?,
            None => writeln!(f, "ended by a signal")?,
        }
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name} ---")?;
            }
            // Blanks at the end of a line are clap's way of indenting nothing.
            text.lines().try_for_each(|line| writeln!(f, "{}", line.trim_end()))?;
        }
        Ok(())
    }
}
