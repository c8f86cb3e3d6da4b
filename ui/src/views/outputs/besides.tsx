// What is made besides the file. Names for tests: button "Besides the file" opens it; checkboxes "Segments for the web
// (HLS)", "A list of the newest as well", "As MP4 (fMP4)", "Images", "A small proxy beside it", "A second copy on another
// disk"; "Length", "One every", "Height".

import { ChevronDown, FolderOpen } from "lucide-react";
import { useId, useState } from "react";
import { Button } from "@/kit/button";
import { Checkbox } from "@/kit/checkbox";
import { Choice } from "@/kit/choice";
import { Input } from "@/kit/field";
import { useCommand } from "@/lib/commands";
import { cx } from "@/lib/cx";
import { tailOf } from "@/lib/format";
import { type Besides, useDesk } from "@/store/desk";
import { t } from "@/words";

/** LiveKit's, s. */
const SEGMENT_S = 4;
const IMAGE_S = 10;
/** Heights of a proxy, pixels. */
const PROXY_HEIGHTS = ["360", "540", "720"] as const;
type ProxyHeight = (typeof PROXY_HEIGHTS)[number];

export function BesidesFields({ track, picture }: { track: boolean; picture: boolean }) {
  const besides = useDesk((desk) => desk.besides);
  const { segments, images, proxy, copy_folder } = besides;
  const [open, setOpen] = useState(false);
  const id = useId();
  const choose = useCommand((backend, _: null) => backend.chooseFolder());
  const set = (part: Partial<Besides>) =>
    useDesk.setState((desk) => ({ besides: { ...desk.besides, ...part } }));
  const copy = () => choose.mutate(null, { onSuccess: (path) => path && set({ copy_folder: path }) });
  const on = [
    !track && segments && t("besides.segments.short"),
    !track && picture && images && t("besides.images"),
    !track && picture && proxy && t("besides.proxy.short", { height: proxy.height }),
    copy_folder !== null && t("besides.copy.short"),
  ].filter((one) => typeof one === "string");
  return (
    <div className="flex flex-col gap-2">
      <Button
        look="quiet"
        size="sm"
        className="-my-1 -ml-2 h-auto min-h-7 self-start text-left"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <ChevronDown className={cx("transition-transform", !open && "-rotate-90")} />
        {on.length > 0 ? t("besides.with", { what: on.join(", ") }) : t("besides")}
      </Button>
      <div id={id} className={cx("flex flex-col gap-2.5", !open && "hidden")}>
        {!track && (
          <>
            <Checkbox
              checked={segments !== null}
              onChange={(on) =>
                set({ segments: on ? { duration_s: SEGMENT_S, live_playlist: true, fmp4: false } : null })
              }
            >
              {t("besides.segments")}
            </Checkbox>
            {segments && (
              <div className="flex flex-col gap-2 pl-6">
                <Seconds
                  label={t("besides.segments.each")}
                  value={segments.duration_s}
                  most={600}
                  onChange={(duration_s) => set({ segments: { ...segments, duration_s } })}
                />
                <Checkbox
                  checked={segments.live_playlist}
                  onChange={(live_playlist) => set({ segments: { ...segments, live_playlist } })}
                >
                  {t("besides.segments.live")}
                </Checkbox>
                <Checkbox
                  checked={segments.fmp4}
                  onChange={(fmp4) => set({ segments: { ...segments, fmp4 } })}
                >
                  {t("besides.segments.fmp4")}
                </Checkbox>
              </div>
            )}
          </>
        )}
        {!track && picture && (
          <>
            <Checkbox
              checked={images !== null}
              onChange={(on) => set({ images: on ? { interval_s: IMAGE_S } : null })}
            >
              {t("besides.images")}
            </Checkbox>
            {images && (
              <div className="pl-6">
                <Seconds
                  label={t("besides.images.each")}
                  value={images.interval_s}
                  most={604_800}
                  onChange={(interval_s) => set({ images: { interval_s } })}
                />
              </div>
            )}
          </>
        )}
        {!track && picture && (
          <>
            <Checkbox
              checked={proxy !== null}
              onChange={(on) =>
                set({ proxy: on ? { height: 540, video_bitrate_kbps: null, folder: null } : null })
              }
            >
              {t("besides.proxy")}
            </Checkbox>
            {proxy && (
              <div className="flex items-center gap-2 pl-6 text-sm text-soft">
                <span aria-hidden>{t("besides.proxy.height")}</span>
                <div className="w-28">
                  <Choice<ProxyHeight>
                    label={t("besides.proxy.height")}
                    value={`${proxy.height}` as ProxyHeight}
                    options={PROXY_HEIGHTS.map((value) => ({
                      value,
                      label: t("besides.proxy.lines", { height: value }),
                    }))}
                    onChange={(height) => set({ proxy: { ...proxy, height: Number(height) } })}
                  />
                </div>
              </div>
            )}
          </>
        )}
        <Checkbox
          checked={copy_folder !== null}
          onChange={(on) => (on ? copy() : set({ copy_folder: null }))}
        >
          {t("besides.copy")}
        </Checkbox>
        {copy_folder !== null && (
          <Button
            look="outline"
            className="ml-6 justify-start bg-night px-2.5 font-normal"
            title={copy_folder}
            onClick={copy}
          >
            <FolderOpen className="text-faint" />
            <span className="truncate" data-testid="copy-folder">
              {tailOf(copy_folder, 30)}
            </span>
          </Button>
        )}
      </div>
    </div>
  );
}

/** A length of time. Nothing that cannot be gets out of it. */
function Seconds({
  label,
  value,
  most,
  onChange,
}: {
  label: string;
  value: number;
  most: number;
  onChange: (s: number) => void;
}) {
  const id = useId();
  return (
    <div className="flex items-center gap-2 text-sm text-soft">
      <label htmlFor={id}>{label}</label>
      <Input
        id={id}
        type="number"
        min={1}
        max={most}
        className="w-20"
        value={value}
        onChange={({ target }) =>
          onChange(Math.min(most, Math.max(1, Math.round(Number(target.value)) || 1)))
        }
      />
      <span>{t("besides.s")}</span>
    </div>
  );
}
