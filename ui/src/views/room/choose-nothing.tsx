import { X } from "lucide-react";
import { Button } from "@/kit/button";
import { pickNothing } from "@/store/desk";
import { t } from "@/words";

/** Lets go of what is chosen. */
export function ChooseNothing() {
  return (
    <Button
      look="quiet"
      size="sm"
      hotkey="Esc"
      aria-label={t("source.none")}
      title={t("source.none")}
      onClick={pickNothing}
    >
      <X />
    </Button>
  );
}
