// Decode, x264 veryfast and AAC alone, at the pace of the clock: what re-encoding a person costs at the least.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What LiveKit Egress encodes with, and so did we. */
const VERYFAST =
  'x264enc speed-preset=veryfast bitrate=3000 vbv-buf-capacity=2000 key-int-max=60 bframes=0 rc-lookahead=4 ' +
  'sync-lookahead=0 sliced-threads=true ! video/x-h264,profile=main ! h264parse ! video/x-h264,stream-format=avc,alignment=au';

/** Starts it on a file of H.264 and Opus; `stop()` ends it. The settings are those of the preset H264_720P_30. */
export async function baseline(source, folder) {
  const pipeline = `
    filesrc location=${JSON.stringify(source)} ! qtdemux name=d
    d.video_0 ! queue ! h264parse ! avdec_h264 ! videorate ! videoscale
      ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! clocksync
      ! x264enc speed-preset=veryfast bitrate=3000 key-int-max=60 ! video/x-h264,profile=main ! h264parse ! queue ! m.
    d.audio_0 ! queue ! opusparse ! opusdec ! audioconvert ! audioresample
      ! audio/x-raw,rate=44100,channels=2 ! clocksync ! avenc_aac bitrate=128000 ! aacparse ! queue ! m.
    mp4mux name=m fragment-duration=1000 ! filesink location=${JSON.stringify(join(folder, 'baseline.mp4'))}`;
  const child = spawn('gst-launch-1.0', ['-q', ...pipeline.trim().split(/\s+/)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += text));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  if (child.exitCode !== null) throw new Error(`the baseline does not run: ${stderr}`);
  return {
    pid: child.pid,
    async stop() {
      if (child.exitCode !== null) throw new Error(`the baseline ended before it was measured: ${stderr}`);
      const gone = once(child, 'exit');
      child.kill('SIGINT');
      await gone;
    },
  };
}

/** How much of the SSIM of `VERYFAST` the encoder of this program gives up on the same material at the same rate, and CPU seconds of both. */
export async function ssimLost(program, source, folder) {
  const { chain } = JSON.parse((await run(program, ['probe'])).stdout);
  const raw = join(folder, 'raw.y4m');
  await run('ffmpeg', ['-v', 'error', '-y', '-i', source, '-t', '20', '-vf', 'fps=30,scale=1280:720', '-pix_fmt', 'yuv420p', raw]);
  const ssim = async (name, how) => {
    const to = join(folder, `${name}.mp4`);
    await run('sh', ['-c', `exec gst-launch-1.0 -q filesrc location=${raw} ! y4mdec ! ${how} ! mp4mux ! filesink location=${to}`]);
    const { stderr } = await run('ffmpeg', ['-i', to, '-i', raw, '-lavfi', 'ssim', '-f', 'null', '-'], { maxBuffer: 64 << 20 });
    return Number(/All:([0-9.]+)/.exec(stderr)[1]);
  };
  return (await ssim('veryfast', VERYFAST)) - (await ssim('ours', chain));
}
