//! Real files: confinement, one load for many, change of a file, recordings whole or not at all.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rtp::record::{RecordFile as _, block_bytes};
use rtp::wav::{Layout, WriteFormat};

use super::*;

/// A directory of its own, which goes away with it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mediaswitch-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("in/sub")).unwrap();
        Self(path)
    }

    fn inside(&self) -> PathBuf {
        self.0.join("in")
    }

    /// A WAV file of so many samples of one value.
    fn wav(&self, name: &str, value: i16, samples: usize) {
        let mut file = HEADER.bytes(2 * samples as u64);
        file.extend(std::iter::repeat_n(value.to_le_bytes(), samples).flatten());
        fs::write(self.inside().join(name), file).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const HEADER: Header = Header { format: WriteFormat::Pcm16, rate_hz: 8000, channels: 1 };

/// Runs `body` with the files of a directory.
fn with_files<F: Future<Output = ()>>(directory: &Directory, limits: Limits, body: impl FnOnce(Rc<Files>, Rc<RefCell<Vec<Outcome>>>) -> F) {
    let (end, threads) = start(Some(&directory.inside()), limits).unwrap();
    rt::run_test(async move {
        let files = Files::new(end);
        let (stop, outcomes) = (Latch::new(), Rc::new(RefCell::new(Vec::new())));
        let running = rt::spawn_local({
            let (files, stop, outcomes) = (Rc::clone(&files), stop.clone(), Rc::clone(&outcomes));
            async move { files.run(|_, outcome| outcomes.borrow_mut().push(outcome), &stop).await }
        });
        body(files, outcomes).await;
        stop.open();
        running.await;
    });
    threads.finish(Duration::from_secs(2));
    assert!(threads.0.iter().all(JoinHandle::is_finished), "a thread does not end");
}

async fn wav(files: &Files, name: &str) -> Result<Arc<Sound>, FileError> {
    files.sound(FileKey::Wav, &name.into(), 8000).await
}

fn figure(files: &Files, name: &str) -> u64 {
    files.figures().into_iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn no_name_leads_out_of_the_directory() {
    let directory = Directory::new("names");
    directory.wav("a.wav", 1, 100);
    fs::write(directory.0.join("secret.wav"), HEADER.bytes(0)).unwrap();
    symlink("../secret.wav", directory.inside().join("link.wav")).unwrap();
    symlink(&directory.0, directory.inside().join("up")).unwrap();
    symlink("../a.wav", directory.inside().join("sub/within.wav")).unwrap();
    let absolute = directory.inside().join("a.wav").to_str().unwrap().to_owned();
    with_files(&directory, Limits::default(), async |files, _| {
        assert_eq!(wav(&files, "a.wav").await.unwrap().samples().len(), 100);
        assert!(wav(&files, "sub/within.wav").await.is_ok(), "a link that stays inside");
        for name in ["../secret.wav", "sub/../../secret.wav", "link.wav", "up/secret.wav", "/etc/passwd", &absolute, "", "sub/", "."] {
            let name: Arc<str> = name.into();
            let refused = FileError::Outside(Arc::clone(&name));
            assert_eq!(files.sound(FileKey::Wav, &name, 8000).await.unwrap_err(), refused, "{name}");
            assert_eq!(refused.refusal().status(), 400);
            if &*name != "link.wav" {
                assert_eq!(files.record(&name, HEADER).await.unwrap_err(), refused, "{name}");
            }
        }
        // A link is replaced, not followed.
        files.record(&"link.wav".into(), HEADER).await.unwrap().finish(0);
    });
    assert!(directory.inside().join("link.wav").symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read(directory.0.join("secret.wav")).unwrap(), HEADER.bytes(0));
}

#[test]
fn a_refusal_names_the_file_and_says_why() {
    let directory = Directory::new("bad");
    fs::write(directory.inside().join("text.wav"), "hello").unwrap();
    with_files(&directory, Limits::default(), async |files, _| {
        for (name, text) in
            [("none.wav", "none.wav: there is no such file"), ("text.wav", "text.wav: not a WAV file"), ("sub", "sub: is no ordinary file")]
        {
            let error = wav(&files, name).await.unwrap_err();
            assert_eq!((error.to_string().as_str(), error.refusal().status()), (text, 400));
        }
        assert_eq!(files.record(&"none/a.wav".into(), HEADER).await.unwrap_err().to_string(), "none/a.wav: there is no such file");
    });
    let (end, _) = start(None, Limits::default()).unwrap();
    rt::run_test(async move {
        let files = Files::new(end);
        assert_eq!(wav(&files, "a.wav").await.unwrap_err(), FileError::NoDirectory);
    });
}

#[test]
fn two_thousand_listeners_cost_one_read() {
    let directory = Directory::new("many");
    directory.wav("a.wav", 5, 80_000);
    with_files(&directory, Limits::default(), async |files, _| {
        let tasks: Vec<_> = (0..2000)
            .map(|_| {
                let files = Rc::clone(&files);
                rt::spawn_local(async move { wav(&files, "a.wav").await.unwrap() })
            })
            .collect();
        let mut sounds = Vec::new();
        for task in tasks {
            sounds.push(task.await);
        }
        assert!(sounds.iter().all(|sound| Arc::ptr_eq(sound, &sounds[0])));
        assert_eq!((figure(&files, "sounds_read"), figure(&files, "sounds_shared")), (1, 1999));
    });
}

#[test]
fn a_file_that_changed_is_read_again_and_one_that_did_not_is_not() {
    let directory = Directory::new("change");
    directory.wav("a.wav", 1, 100);
    with_files(&directory, Limits::default(), async |files, _| {
        let old = wav(&files, "a.wav").await.unwrap();
        rt::sleep(Duration::from_millis(1050)).await;
        assert!(Arc::ptr_eq(&old, &wav(&files, "a.wav").await.unwrap()));
        directory.wav("a.wav", 2, 101);
        assert!(Arc::ptr_eq(&old, &wav(&files, "a.wav").await.unwrap()), "looked at a moment ago");
        rt::sleep(Duration::from_millis(1050)).await;
        assert_eq!(wav(&files, "a.wav").await.unwrap().samples()[..], [2; 101]);
        assert_eq!((old.samples(), figure(&files, "sounds_read")), (&[1; 100][..], 2));
    });
}

#[test]
fn memory_is_bounded_and_what_plays_stays() {
    let directory = Directory::new("memory");
    for name in ["a.wav", "b.wav", "c.wav", "d.wav"] {
        directory.wav(name, 1, 5000);
    }
    directory.wav("long.wav", 1, 8000);
    let limits = Limits { sounds_bytes: 25_000, ..Limits::default() };
    with_files(&directory, limits, async |files, _| {
        let a = wav(&files, "a.wav").await.unwrap();
        wav(&files, "b.wav").await.unwrap();
        let c = wav(&files, "c.wav").await.unwrap();
        assert_eq!(figure(&files, "sounds"), 2, "b went, which nobody played");
        let error = wav(&files, "d.wav").await.unwrap_err();
        assert_eq!((error.refusal().status(), figure(&files, "sounds")), (503, 2));
        drop(a);
        assert!(wav(&files, "d.wav").await.is_ok());
        assert!(figure(&files, "sounds_bytes") <= 25_000);
        assert_eq!(wav(&files, "long.wav").await.unwrap_err().refusal().status(), 400);
        drop(c);
    });
}

#[test]
fn a_recording_has_its_name_when_it_is_whole() {
    let directory = Directory::new("record");
    with_files(&directory, Limits::default(), async |files, outcomes| {
        let name: Arc<str> = "sub/a.wav".into();
        let recording = files.record(&name, HEADER).await.unwrap();
        assert_eq!(files.record(&"./sub/a.wav".into(), HEADER).await.unwrap_err().refusal().status(), 409);
        assert!(recording.write(0, &mut vec![1; 320]) && recording.write(640, &mut vec![2; 320]));
        rt::sleep(Duration::from_millis(120)).await;
        assert!(!directory.inside().join(&*name).exists());
        assert_eq!(fs::read_dir(directory.inside().join("sub")).unwrap().count(), 1);
        recording.finish(960);
        while outcomes.borrow().is_empty() {
            rt::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(outcomes.take(), [Outcome { bytes: 44 + 960, error: None }]);
        let file = fs::read(directory.inside().join(&*name)).unwrap();
        assert_eq!(Layout::read(&file).unwrap().samples(), 480);
        assert_eq!(file[44..], [vec![1; 320], vec![0; 320], vec![2; 320]].concat());
        assert_eq!(fs::read_dir(directory.inside().join("sub")).unwrap().count(), 1);
        // One that is not wanted after all leaves nothing.
        let other = files.record(&"sub/b.wav".into(), HEADER).await.unwrap();
        other.abandon();
        while figure(&files, "recordings") > 0 {
            rt::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(fs::read_dir(directory.inside().join("sub")).unwrap().count(), 1);
    });
}

#[test]
fn the_blocks_of_a_recording_go_round() {
    let directory = Directory::new("round");
    with_files(&directory, Limits::default(), async |files, _| {
        let recording = files.record(&"a.wav".into(), HEADER).await.unwrap();
        let mut block = Vec::with_capacity(block_bytes(&HEADER));
        let mut buffers = HashSet::new();
        for n in 0..10 {
            assert!(block.is_empty() && block.capacity() >= block_bytes(&HEADER), "{n}: to be filled without the allocator");
            buffers.insert(block.as_ptr());
            block.resize(block_bytes(&HEADER), 1);
            assert!(recording.write(n * block_bytes(&HEADER) as u64, &mut block));
            while figure(&files, "recordings_waiting_bytes") > 0 {
                rt::sleep(Duration::from_millis(5)).await;
            }
        }
        assert!(buffers.len() <= 3, "{}: one is filled, two are at the file", buffers.len());
        recording.finish(0);
    });
}

#[test]
fn recordings_that_run_at_the_end_of_the_program_are_finished() {
    let directory = Directory::new("end");
    let header = Header { format: WriteFormat::Alaw, ..HEADER };
    with_files(&directory, Limits::default(), async |files, _| {
        let recording = files.record(&"a.wav".into(), header).await.unwrap();
        recording.write(100, &mut vec![7; 61]);
        drop(recording);
    });
    let file = fs::read(directory.inside().join("a.wav")).unwrap();
    assert_eq!(Layout::read(&file).unwrap().samples(), 161);
    assert_eq!(file[58..], [vec![0xD5; 100], vec![7; 61], vec![0]].concat(), "A-law's silence, and an even end");
}

#[test]
fn a_disk_that_is_full_ends_a_recording_with_what_it_has() {
    // A file system of 64 KiB, where we may make one.
    let directory = Directory::new("full");
    let target = directory.inside().join("sub");
    let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(&target).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: no file system can be mounted here");
        return;
    }
    with_files(&directory, Limits::default(), async |files, outcomes| {
        let recording = files.record(&"sub/a.wav".into(), HEADER).await.unwrap();
        let mut place = 0;
        while !recording.is_broken() && place < 1 << 20 {
            recording.write(place, &mut vec![1; 16_000]);
            place += 16_000;
            rt::sleep(Duration::from_millis(5)).await;
        }
        assert!(!recording.write(place, &mut vec![1; 16_000]), "a broken file takes no more");
        recording.finish(place);
        while outcomes.borrow().is_empty() {
            rt::sleep(Duration::from_millis(5)).await;
        }
        let [Outcome { bytes, error: Some(error) }] = &outcomes.take()[..] else { panic!() };
        assert_eq!(error, "the disk is full");
        let file = fs::read(target.join("a.wav")).unwrap();
        assert_eq!(file.len() as u64, *bytes);
        assert!(Layout::read(&file).unwrap().samples() >= 16_000);
        let refused = files.record(&"sub/b.wav".into(), HEADER).await.map(drop);
        println!("a new recording on the full disk: {refused:?}");
    });
    std::process::Command::new("umount").arg(&target).status().unwrap();
}
