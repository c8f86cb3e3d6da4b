import { t } from "@/words";

/** What is recorded right now, in a word. */
export function OnAir() {
  return (
    <span className="shrink-0 rounded-sm bg-tally px-1 text-xs font-semibold text-white">{t("rec")}</span>
  );
}
