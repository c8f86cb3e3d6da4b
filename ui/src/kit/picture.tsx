import { useEffect, useRef } from "react";
import { usePictures } from "@/backend/index";
import type { TrackId } from "@/backend/types";
import { cx } from "@/lib/cx";
import { useStudio } from "@/store/studio";

/** The moving picture of a track, or of the program of a job. */
export function TrackPicture({
  track,
  label,
  className,
  apart,
}: {
  /** The track, or the job by its id. */
  track: TrackId;
  /** What it is, for those who cannot see it. */
  label: string;
  className?: string;
  /** It comes over a connection of its own, not over ours to the room. */
  apart?: boolean;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const pictures = usePictures();
  const old = useStudio(({ room }) => !apart && room !== null && room.connection !== "connected");
  useEffect(() => {
    const element = canvas.current;
    const pen = element?.getContext("2d", { alpha: false });
    if (!element || !pen) return;
    return pictures.show(track, (image) => {
      if (element.width !== image.width || element.height !== image.height) {
        element.width = image.width;
        element.height = image.height;
      }
      pen.drawImage(image, 0, 0);
      element.dataset.live = "true";
    });
  }, [track, pictures]);
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={label}
      data-testid="picture"
      data-track={track}
      width={16}
      height={9}
      className={cx(
        "block size-full bg-night opacity-0 transition-opacity",
        // What is not of now must not look as if it were.
        old ? "data-live:opacity-40" : "data-live:opacity-100",
        className,
      )}
    />
  );
}
