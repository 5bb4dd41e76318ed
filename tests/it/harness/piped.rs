//! A command whose streams are pipes or files: how CI, an agent's shell and `wrap x | less` run it.

use super::text::{find, tail, title};
use super::watched::Watched;
use super::{DEADLINE, Ending};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// One output stream as far as it was read.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    mark: usize,
    closed: bool,
}

/// A running command.
pub struct Piped {
    title: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Arc<Watched<Stream>>,
    stderr: Arc<Watched<Stream>>,
    readers: Vec<JoinHandle<()>>,
}

/// A command that has ended, and all that it wrote.
#[derive(Debug)]
pub struct Finished {
    pub ending: Ending,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Fails with all that the command said unless it ended with this code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.ending, Ending::Code(code), "stdout:\n{}stderr:\n{}", tail(&self.stdout), tail(&self.stderr));
        self
    }
}

impl Piped {
    /// Starts the command with pipes for those of its three streams that were not set to something else.
    pub fn start(mut command: Command, streams: [Option<Stdio>; 3]) -> Self {
        let title = title(&command);
        let [stdin, stdout, stderr] = streams.map(|stream| stream.unwrap_or_else(Stdio::piped));
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        let forking = super::process::FORK.read();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {title}: {error}"));
        drop(forking);
        let (stdout, stderr) = (Arc::<Watched<Stream>>::default(), Arc::<Watched<Stream>>::default());
        let readers =
            vec![collect(child.stdout.take(), Arc::clone(&stdout)), collect(child.stderr.take(), Arc::clone(&stderr))];
        Self { title, stdin: child.stdin.take(), child, stdout, stderr, readers }
    }

    /// The pid of the command that was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to the command's standard input.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("standard input is an open pipe");
        stdin.write_all(bytes.as_ref()).and_then(|()| stdin.flush()).expect("the command reads its input");
    }

    /// Ends the command's standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for this text on standard output, after the last wait.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let found = self.stdout.wait(DEADLINE, |stream| match find(&stream.bytes, text.as_bytes(), stream.mark) {
            Some(at) => {
                stream.mark = at + text.len();
                Some(true)
            }
            None => stream.closed.then_some(false),
        });
        if found != Some(true) {
            let why = if found.is_some() { "standard output ended" } else { "not within the deadline" };
            self.fail(&format!("`{text}` did not come: {why}"));
        }
    }

    /// What it has written to standard error so far.
    pub fn err_so_far(&self) -> String {
        self.stderr.look(|err| String::from_utf8_lossy(&err.bytes).into_owned())
    }

    /// Waits for the command's end and for the end of both outputs, which comes only when everybody who held them
    /// has let go.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.finish_within(DEADLINE)
    }

    /// [`Piped::finish`] with another deadline.
    #[track_caller]
    pub fn finish_within(mut self, limit: Duration) -> Finished {
        self.stdin = None;
        if !super::ended_within(self.pid(), limit) {
            self.fail(&format!("the command did not end within {limit:?}"));
        }
        let ending = Ending::from(self.child.wait().expect("the command's status"));
        for stream in [&self.stdout, &self.stderr] {
            if stream.wait(limit, |stream| stream.closed.then_some(())).is_none() {
                self.fail(&format!("the command ended ({ending:?}), but somebody still holds its output open"));
            }
        }
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        let take = |stream: &Watched<Stream>| stream.update(|stream| std::mem::take(&mut stream.bytes));
        Finished { ending, stdout: take(&self.stdout), stderr: take(&self.stderr) }
    }

    /// Fails the test with what the command wrote.
    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        let (out, err) = (self.stdout.look(|out| tail(&out.bytes)), self.stderr.look(|err| tail(&err.bytes)));
        panic!("{why}\nof {}\nstandard output:\n{out}standard error:\n{err}", self.title);
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        // Not waited for yet, so the pid is still this child's.
        if matches!(self.child.try_wait(), Ok(None)) {
            super::signal(self.child.id(), libc::SIGTERM);
            if !super::ended_within(self.child.id(), super::LEAVING) {
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
        }
    }
}

fn collect(source: Option<impl Read + Send + 'static>, into: Arc<Watched<Stream>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut chunk = vec![0; 64 * 1024];
        if let Some(mut source) = source {
            while let Ok(count @ 1..) = source.read(&mut chunk) {
                into.update(|stream| stream.bytes.extend_from_slice(&chunk[..count]));
            }
        }
        into.update(|stream| stream.closed = true);
    })
}
