import { airOfAll } from "@/store/live";
import { useStudio } from "@/store/studio";
import { t } from "@/words";

/** What is on air right now, in a word. */
export function OnAir() {
  // Where nothing is recorded at all, what is on air is only live.
  const live = useStudio(({ jobs }) => {
    const air = airOfAll(jobs);
    return air.recording === 0 && air.live > 0;
  });
  return (
    <span className="shrink-0 rounded-sm bg-tally px-1 text-xs font-semibold text-white">
      {t(live ? "live" : "rec")}
    </span>
  );
}
