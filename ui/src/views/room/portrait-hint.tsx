// Beside the state of the program: a layout that is made for portrait pictures, in a frame that is not. Names for tests:
// [data-testid=portrait-hint] with a button "Record in portrait".

import { Button } from "@/kit/button";
import { setForm, useDesk } from "@/store/desk";
import type { Standing } from "@/store/standing";
import { useStudio } from "@/store/studio";
import { t } from "@/words";

const TURNED = {
  H264_720P_30: "PORTRAIT_H264_720P_30",
  H264_720P_60: "PORTRAIT_H264_720P_60",
  H264_1080P_30: "PORTRAIT_H264_1080P_30",
  H264_1080P_60: "PORTRAIT_H264_1080P_60",
} as const;

export function PortraitHint({ standing }: { standing: Standing }) {
  const pick = useDesk((desk) => desk.pick);
  const how = useDesk((desk) => desk.forms.page.how);
  const advanced = useDesk((desk) => desk.advanced);
  const layout =
    pick?.kind === "room" && pick.baseUrl === null && pick.parts !== "sound" ? pick.layout : null;
  const portrait = useStudio(({ layouts }) =>
    layouts.some((one) => one.name === layout && one.portrait && !one.broken),
  );
  const wide =
    how === "advanced"
      ? (advanced.width || 1280) >= (advanced.height || 720)
      : how !== "as_published" && !how.startsWith("PORTRAIT");
  if (!pick || !portrait || !wide || standing.job) return null;
  const to = how in TURNED ? TURNED[how as keyof typeof TURNED] : null;
  return (
    <p
      className="flex min-w-0 flex-1 items-center justify-end gap-3 text-xs text-soft"
      data-testid="portrait-hint"
    >
      <span className="truncate">{t("layout.portrait.hint")}</span>
      {to && (
        <Button look="outline" size="sm" onClick={() => setForm(pick, { how: to })}>
          {t("layout.portrait.turn")}
        </Button>
      )}
    </p>
  );
}
