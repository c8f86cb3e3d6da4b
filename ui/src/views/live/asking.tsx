// Asks before something goes off air. Names for tests: a group named by its question; button "Keep".

import { useEffect, useRef } from "react";
import { Button } from "@/kit/button";
import { t } from "@/words";

export function Asking({
  what,
  yes,
  busy,
  onYes,
  onNo,
}: {
  what: string;
  yes: string;
  busy: boolean;
  onYes: () => void;
  onNo: () => void;
}) {
  const no = useRef<HTMLButtonElement>(null);
  // A stray Enter must not end what is on air.
  useEffect(() => {
    no.current?.focus();
    no.current?.scrollIntoView({ block: "nearest" });
  }, []);
  return (
    <div
      role="group"
      aria-label={what}
      className="appear flex flex-col gap-2 rounded-md border border-edge p-2"
    >
      <p className="text-sm text-ink">{what}</p>
      <div className="flex gap-2">
        <Button ref={no} size="sm" onClick={onNo}>
          {t("stream.remove.no")}
        </Button>
        <Button look="outline" size="sm" disabled={busy} onClick={onYes}>
          {yes}
        </Button>
      </div>
    </div>
  );
}
