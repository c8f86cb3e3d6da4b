// Decode, x264 veryfast and AAC alone, at the pace of the clock: what re-encoding a person costs at the least.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

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
