import type { AudioCodec, VideoCodec } from "@/backend/types";
import { Choice } from "@/kit/choice";
import { Field, Input } from "@/kit/field";
import { useDesk } from "@/store/desk";
import { t } from "@/words";

type NumberName =
  | "width"
  | "height"
  | "framerate"
  | "video_bitrate_kbps"
  | "key_frame_interval_s"
  | "audio_bitrate_kbps"
  | "audio_frequency_hz";

/** Hand-set options, as LiveKit's EncodingOptions has them. */
export function AdvancedFields({ picture }: { picture: boolean }) {
  const options = useDesk((desk) => desk.advanced);
  const set = (part: Partial<typeof options>) =>
    useDesk.setState((desk) => ({ advanced: { ...desk.advanced, ...part } }));
  const number = (name: NumberName, label: string, placeholder: string, className = "col-span-2") => (
    <Field label={label} className={className}>
      {(ids) => (
        <Input
          {...ids}
          type="number"
          min={0}
          step={name === "key_frame_interval_s" ? 0.5 : name === "width" || name === "height" ? 2 : 1}
          value={options[name] || ""}
          placeholder={placeholder}
          onChange={(event) => set({ [name]: Math.max(0, Number(event.target.value) || 0) })}
        />
      )}
    </Field>
  );
  // A codec's name needs twice the width of a number.
  return (
    <div className="grid grid-cols-6 gap-2 rounded-md border border-line p-2">
      {picture && (
        <>
          {number("width", t("advanced.width"), "1280")}
          {number("height", t("advanced.height"), "720")}
          {number("framerate", t("advanced.fps"), "30")}
          <Field label={t("advanced.videoCodec")} className="col-span-4">
            {(ids) => (
              <Choice<VideoCodec | "">
                {...ids}
                value={options.video_codec ?? ""}
                onChange={(codec) => set({ video_codec: codec || null })}
                options={[
                  { value: "", label: t("advanced.auto") },
                  { value: "h264_baseline", label: "H.264 Baseline" },
                  { value: "h264_main", label: "H.264 Main" },
                  { value: "h264_high", label: "H.264 High" },
                  { value: "vp8", label: "VP8" },
                  { value: "vp9", label: "VP9" },
                ]}
              />
            )}
          </Field>
          {number("video_bitrate_kbps", t("advanced.videoRate"), "3000")}
        </>
      )}
      <Field label={t("advanced.audioCodec")} className="col-span-4">
        {(ids) => (
          <Choice<AudioCodec | "">
            {...ids}
            value={options.audio_codec ?? ""}
            onChange={(codec) => set({ audio_codec: codec || null })}
            options={[
              { value: "", label: t("advanced.auto") },
              { value: "aac", label: "AAC" },
              { value: "opus", label: "Opus" },
              { value: "mp3", label: "MP3" },
            ]}
          />
        )}
      </Field>
      {number("audio_bitrate_kbps", t("advanced.audioRate"), "128")}
      {picture && number("key_frame_interval_s", t("advanced.keyframes"), t("advanced.auto"), "col-span-3")}
      {number("audio_frequency_hz", t("advanced.audioFrequency"), t("advanced.auto"), "col-span-3")}
    </div>
  );
}
