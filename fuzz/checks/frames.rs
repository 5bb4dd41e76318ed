//! Any bytes as frames: the decoder hands out whole frames or reports an impossible length, and reads no frame as
//! anything but what it is.

use wrap::wire::{Attach, Decoder, Ended, Failed, Launch, MAX_PAYLOAD, Place, Resume, Started};

pub fn check(bytes: &[u8]) {
    let mut decoder = Decoder::after(bytes.to_vec());
    while let Ok(Some(frame)) = decoder.next_frame() {
        assert!(frame.payload.len() <= MAX_PAYLOAD);
        let _ = (frame.number(), frame.report(), frame.stream(), frame.text());
        let _ = (frame.json::<Launch>(), frame.json::<Resume>(), frame.json::<Started>(), frame.json::<Attach>());
        let _ = (frame.json::<Failed>(), frame.json::<Ended>(), frame.json::<Place>());
    }
}
