// The way to the list of uploads, with how it stands. Names for tests: button "Uploads" with [data-testid=uploads-button]
// [data-waiting].

import { CloudUpload, TriangleAlert } from "lucide-react";
import { useShallow } from "zustand/react/shallow";
import { Button } from "@/kit/button";
import { cx } from "@/lib/cx";
import { goTo, useDesk } from "@/store/desk";
import { useStudio } from "@/store/studio";
import { sumOf } from "@/store/uploads";
import { t } from "@/words";
import { movingWords } from "./upload-words";

export function UploadsButton() {
  const sum = useStudio(useShallow((snapshot) => sumOf(snapshot.uploads)));
  const page = useDesk((desk) => desk.page);
  const waits = sum.waiting > 0;
  const words = waits
    ? t("uploads.status.waiting", { n: sum.waiting })
    : sum.moving
      ? movingWords(sum)
      : t("uploads");
  return (
    <Button
      look="quiet"
      size="sm"
      aria-label={words === t("uploads") ? words : `${t("uploads")}: ${words}`}
      aria-pressed={page === "uploads"}
      hotkey="U"
      data-testid="uploads-button"
      data-waiting={waits}
      onClick={() => goTo(page === "uploads" ? "room" : "uploads")}
      className={cx(
        "-mr-3",
        page === "uploads" && "bg-control text-ink",
        waits && "font-semibold text-look hover:text-look",
      )}
    >
      {waits ? <TriangleAlert /> : <CloudUpload />}
      {words}
      {!waits && !sum.moving && sum.open > 0 && <span className="text-faint">{sum.open}</span>}
    </Button>
  );
}
