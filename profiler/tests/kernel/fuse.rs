//! Files of a file system that is a program: what is written there is in the writer's calls and accounting, and on no device.

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::Duration,
};

use analysis::report;

use crate::{
    actor::Actor,
    files::{MIB, folder},
    recorded::record_others,
    wakes,
};

const BYTES: u64 = 16 * MIB;

#[test]
fn what_is_written_directly_to_fuse_is_nothing_unseen() {
    let folder = folder();
    let served = Served::mount(folder.path(), None);
    let writer = Actor::new(|| {
        let mut file = OpenOptions::new().write(true).open(&served.file).unwrap();
        for _ in 0..BYTES / MIB {
            file.write_all(&vec![7; MIB as usize]).unwrap();
        }
    });
    let pid = writer.pid;
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        writer.act();
    });
    assert_eq!(served.unmount(), BYTES);
    let name = recorded.with_pid(pid).name();
    let rows = report::build(&recorded.timeline).trust.cross_checks;
    let row = rows.iter().find(|row| row.what == "dirtied, or direct" && row.of == name).expect("a row");
    assert!(row.theirs >= BYTES && row.ours < BYTES && row.agrees, "{row:?}");
}

/// The page that it waits for is another process's to bring, in whose context it is woken: `in_iowait` tells.
#[test]
fn who_waits_for_a_page_of_fuse_waits_for_the_same_in_states_and_spans() {
    const PAGES: usize = 50;
    let folder = folder();
    let served = Served::mount(folder.path(), Some(PAGES as u64 * 4096));
    let reader = Actor::new(|| {
        let mut file = File::open(&served.file).unwrap();
        (0..PAGES).for_each(|_| file.read_exact(&mut [0; 4096]).unwrap());
    });
    let pid = reader.pid;
    let mut recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        reader.act();
    });
    served.unmount();
    let time = wakes::check_states(&mut recorded, pid, pid);
    assert!(time.wait_disk_ns >= PAGES as u64 * LATE.as_nanos() as u64, "{time:?}");
}

/// How long the server takes to bring a page.
const LATE: Duration = Duration::from_millis(1);

/// A file system with one file, which takes what is written, past the page cache, or gives zeros through it.
struct Served {
    folder: PathBuf,
    file: PathBuf,
    /// Gives how many bytes came.
    server: JoinHandle<u64>,
}

impl Served {
    /// The size of a file that is read; `None` for one that is written.
    fn mount(folder: &Path, read_bytes: Option<u64>) -> Self {
        let device =
            OpenOptions::new().read(true).write(true).open("/dev/fuse").expect("this kernel has FUSE");
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let (options, on) =
            (CString::new(options).unwrap(), CString::new(folder.as_os_str().as_bytes()).unwrap());
        // SAFETY: texts that end in 0.
        let done = unsafe {
            libc::mount(c"test".as_ptr(), on.as_ptr(), c"fuse".as_ptr(), 0, options.as_ptr().cast())
        };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
        let server = thread::spawn(move || serve(device, read_bytes));
        Self { folder: folder.to_owned(), file: folder.join("file"), server }
    }

    fn unmount(self) -> u64 {
        let on = CString::new(self.folder.as_os_str().as_bytes()).unwrap();
        // SAFETY: a text that ends in 0.
        let done = unsafe { libc::umount2(on.as_ptr(), libc::MNT_DETACH) };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
        self.server.join().unwrap()
    }
}

/// Answers until the file system is unmounted: as `linux/fuse.h` has it, version 7.31.
fn serve(mut device: File, read_bytes: Option<u64>) -> u64 {
    /// Of a request: length, number, id, file, who asks.
    const HEAD: usize = 40;
    const MAX_WRITE: usize = 1 << 17;
    let mut buffer = vec![0; MAX_WRITE + 4096];
    let mut written = 0;
    let size = read_bytes.unwrap_or(0);
    loop {
        let request = match device.read(&mut buffer) {
            Ok(bytes) => &buffer[..bytes],
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return written,
            Err(error) => panic!("read a request: {error}"),
        };
        let number = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let node = u64::from(number(16));
        let mut answer = Answer::default();
        let mut error = 0;
        let _: &mut Answer = match number(4) {
            // FORGET, BATCH_FORGET
            2 | 42 => continue,
            // LOOKUP: the only file, which is node 2.
            1 => answer.long(2).long(0).long(0).long(0).long(0).attributes(2, size),
            // GETATTR, SETATTR
            3 | 4 => answer.long(0).long(0).attributes(node, size),
            // OPEN: FOPEN_DIRECT_IO
            14 => answer.long(0).long(read_bytes.is_none().into()),
            // READ
            15 => {
                thread::sleep(LATE);
                answer.0.resize(number(HEAD + 16) as usize, 0);
                &mut answer
            }
            // WRITE
            16 => {
                let size = number(HEAD + 16);
                written += u64::from(size);
                answer.long(size.into())
            }
            // RELEASE, FLUSH
            18 | 25 => &mut answer,
            // INIT: reads are waited for by page, big writes, and more than 32 pages in one.
            26 => {
                let flags: u64 = 1 | 1 << 5 | 1 << 22;
                let pages = (MAX_WRITE / 4096) as u64;
                let (version, size) = (31 << 32 | 7, (MAX_WRITE as u64) << 32);
                answer
                    .long(version)
                    .long(flags << 32)
                    .long(size)
                    .long(pages << 32)
                    .long(0)
                    .long(0)
                    .long(0)
                    .long(0)
            }
            _ => {
                error = -libc::ENOSYS;
                &mut answer
            }
        };
        let mut bytes = Vec::from((16 + answer.0.len() as u32).to_ne_bytes());
        bytes.extend(error.to_ne_bytes());
        bytes.extend(&request[8..16]);
        bytes.extend(answer.0);
        match device.write(&bytes) {
            Ok(_) => {}
            // Whoever asked has gone.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => panic!("answer: {error}"),
        }
    }
}

#[derive(Default)]
struct Answer(Vec<u8>);

impl Answer {
    fn long(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    /// `struct fuse_attr`: of a folder (node 1), or a file.
    fn attributes(&mut self, node: u64, size: u64) -> &mut Self {
        let mode: u64 = if node == 1 { 0o040_755 } else { 0o100_644 };
        self.long(node).long(size).long(0).long(0).long(0).long(0);
        // Three times in ns, then the mode; links, and owners; no device, the size of a block; no flags.
        self.long(0).long(mode << 32).long(1).long(0).long(4096)
    }
}
