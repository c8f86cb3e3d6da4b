import { useEffect, useRef } from "react";
import type { TrackId } from "@/backend/types";
import { cx } from "@/lib/cx";
import { levelOf } from "@/store/select";
import { useStudioState } from "@/store/studio";
import { t } from "@/words";

/** Lowest level shown, dBFS. */
const FLOOR = -60;
/** From here on a level is worth a look, dBFS. */
const LOUD = -6;

/** How far a bar goes, 0 to 1. */
export function reach(dbfs: number): number {
  return Math.min(1, Math.max(0, (dbfs - FLOOR) / -FLOOR));
}

/**
 * A sound level, straight from the store into the page: levels come several times a second, and nothing
 * but this bar is to be drawn anew for them.
 */
export function Meter({
  tracks,
  egressId,
  muted,
  className,
}: {
  /** The loudest of these is shown. */
  tracks: TrackId[];
  /** Levels as this job hears them; as the open room does, if not given. */
  egressId?: string;
  muted?: boolean;
  className?: string;
}) {
  const bar = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const names = tracks.join();
  useEffect(() => {
    const ids = names ? names.split(",") : [];
    const draw = () => {
      const { snapshot } = useStudioState.getState();
      const figures = egressId
        ? snapshot?.jobs.find((job) => job.egress_id === egressId)?.figures
        : snapshot?.room?.figures;
      const loudest = Math.max(-127, ...ids.map((id) => levelOf(figures, id)));
      if (bar.current)
        bar.current.style.clipPath = `inset(0 ${((1 - reach(loudest)) * 100).toFixed(1)}% 0 0)`;
      box.current?.setAttribute("aria-valuenow", String(Math.round(Math.max(FLOOR, loudest))));
    };
    draw();
    return useStudioState.subscribe(draw);
  }, [names, egressId]);
  const loudAt = `${reach(LOUD) * 100}%`;
  return (
    <div
      ref={box}
      role="meter"
      aria-label={t("level")}
      aria-valuemin={FLOOR}
      aria-valuemax={0}
      aria-valuenow={FLOOR}
      className={cx("meter-steps relative h-1.5 w-full bg-chosen", muted && "opacity-50", className)}
    >
      <div
        ref={bar}
        className="absolute inset-0 transition-[clip-path] duration-100 ease-linear"
        style={{
          clipPath: "inset(0 100% 0 0)",
          background: `linear-gradient(to right, var(--color-ready) ${loudAt}, var(--color-look) ${loudAt})`,
        }}
      />
    </div>
  );
}
