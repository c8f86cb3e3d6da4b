// Forgetting a recording can be undone for as long as the window says so. Until then it is only out of sight: the
// studio is asked when the offer ends, and at the latest when the window goes.

import { Undo2 } from "lucide-react";
import { useEffect } from "react";
import { toast } from "sonner";
import { create } from "zustand";
import { asApiError, type Backend } from "@/backend/backend";
import type { EgressId, Job } from "@/backend/types";
import { Button } from "@/kit/button";
import { t } from "@/words";
import { tellDone, tellError } from "../tell";

/** Recordings that are out of sight: forgotten, or about to be. */
export const useForgotten = create<{ ids: readonly EgressId[] }>(() => ({ ids: [] }));

/** An offer to undo. */
interface Offer {
  id: EgressId;
  ask: () => Promise<void>;
  toast?: string | number;
}

const offers = new Set<Offer>();

const showAgain = (id: EgressId) =>
  useForgotten.setState(({ ids }) => ({ ids: ids.filter((one) => one !== id) }));

export function forget(backend: Backend, { egress_id: id, title }: Job) {
  const offer: Offer = { id, ask: () => backend.forgetJob(id) };
  offers.add(offer);
  useForgotten.setState(({ ids }) => ({ ids: [...ids, id] }));
  offer.toast = tellDone(
    t("history.forgotten", { title }),
    t("history.forgotten.what"),
    <Button size="sm" onClick={() => ended(offer) && showAgain(id)}>
      <Undo2 />
      {t("undo")}
    </Button>,
    () => void forgetNow(offer),
  );
}

/** Whether the offer stood until now. */
function ended(offer: Offer): boolean {
  if (!offers.delete(offer)) return false;
  toast.dismiss(offer.toast);
  return true;
}

async function forgetNow(offer: Offer) {
  if (!ended(offer)) return;
  try {
    await offer.ask();
  } catch (thrown) {
    showAgain(offer.id);
    tellError(asApiError(thrown));
  }
}

/** The window goes: what was to be forgotten is. */
export async function forgetAllNow() {
  await Promise.all([...offers].map(forgetNow));
}

export function useForgetting() {
  useEffect(() => {
    const onHide = () => {
      if (document.visibilityState === "hidden") void forgetAllNow();
    };
    document.addEventListener("visibilitychange", onHide);
    return () => {
      document.removeEventListener("visibilitychange", onHide);
      void forgetAllNow();
    };
  }, []);
}
