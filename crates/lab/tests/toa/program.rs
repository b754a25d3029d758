//! A program that knows nothing of options and tells whom it sees.

use lab::net::Namespace;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A program that tells whom it sees.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    pub(crate) port: u16,
}

impl Program {
    pub(crate) fn start(host: &Namespace, address: &str, port: u16, defer: bool) -> Self {
        let mut command = host.command("python3");
        command.args(["-c", include_str!("server.py"), address, &port.to_string()]);
        if defer {
            command.arg("defer");
        }
        let program = Self::spawn(command, port);
        assert_eq!(program.line(), "listening");
        program
    }

    fn spawn(mut command: Command, port: u16) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, port }
    }

    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        lab::node::end(&mut self.child);
    }
}
