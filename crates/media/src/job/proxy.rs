//! How small proxies are encoded.

use egress::spec::{AudioCodec, AudioEncoding, ProxyEncoding, VideoCodec, VideoEncoding};

use crate::output::images::size;

/// Short: one looks and cuts anywhere in it.
const KEY_FRAME_INTERVAL_S: f64 = 1.0;
/// Bits for a pixel of a picture.
const BITS_PER_PIXEL: f64 = 0.1;
/// Below this nothing can be made out, bits a second.
const LEAST_BPS: u32 = 150_000;
/// Sound that is as good as its master's to the ear.
pub const SOUND: AudioEncoding =
    AudioEncoding { codec: AudioCodec::Aac, bitrate_bps: 96_000, sample_rate_hz: 48_000 };

/// How the picture of a proxy is encoded, in the shape of its program and never larger. `program`: width and height,
/// pixels, and pictures a second.
pub fn encoding(asked: &ProxyEncoding, program: (u32, u32, u32)) -> VideoEncoding {
    let (width, height, framerate) = program;
    let (width, height) = size((None, Some(asked.height.min(height))), (width, height));
    let pixels_s = f64::from(width) * f64::from(height) * f64::from(framerate);
    let bitrate_bps = asked.bitrate_bps.unwrap_or(((pixels_s * BITS_PER_PIXEL) as u32).max(LEAST_BPS));
    VideoEncoding {
        codec: VideoCodec::H264Main,
        width,
        height,
        framerate,
        bitrate_bps,
        key_frame_interval_s: Some(KEY_FRAME_INTERVAL_S),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(height: u32) -> ProxyEncoding {
        ProxyEncoding { of: "file".into(), height, bitrate_bps: None }
    }

    #[test]
    fn it_has_the_shape_of_its_program_and_is_never_larger() {
        let of = |height, program| {
            let video = encoding(&asked(height), program);
            (video.width, video.height, video.bitrate_bps / 1000)
        };
        assert_eq!(of(360, (1280, 720, 30)), (640, 360, 691));
        assert_eq!(of(540, (1920, 1080, 60)), (960, 540, 3110));
        assert_eq!(of(360, (1080, 1920, 30)), (202, 360, 218));
        assert_eq!(of(720, (640, 360, 30)), (640, 360, 691));
        assert_eq!(of(90, (160, 90, 15)), (160, 90, 150));
        let given = ProxyEncoding { bitrate_bps: Some(2_000_000), ..asked(360) };
        assert_eq!(encoding(&given, (1280, 720, 30)).bitrate_bps, 2_000_000);
    }
}
