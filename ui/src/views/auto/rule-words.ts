// What a rule does, in a producer's words.

import type { AutoEgress, AutoParts, AutoRule, LayoutChoice, StoragePlace } from "@/backend/types";
import { t } from "@/words";

export function partsWords(parts: AutoParts, layouts: LayoutChoice[]): string {
  switch (parts.type) {
    case "room_composite": {
      const layout = layouts.find((one) => one.name === parts.layout)?.title ?? parts.layout;
      return t("parts.room_composite.in", { layout });
    }
    case "participants":
      return t("parts.participants");
    case "tracks":
      return t("parts.tracks.all");
  }
}

/** All of it in one line: what, how, and where to. */
export function whatWords(what: AutoEgress, layouts: LayoutChoice[], storages: StoragePlace[]): string {
  const { parts, preset, upload } = what;
  const place = storages.find((one) => one.id === upload?.storage);
  return [
    partsWords(parts, layouts),
    // Tracks are not encoded.
    parts.type !== "tracks" && t(`how.${preset}`),
    upload && (place ? t("rule.upload", { name: place.name }) : t("rule.upload.gone")),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** So many names are told of the rooms that fit. */
const NAMED = 3;

/** The names of rooms, the first few of many. */
export function namesWords(names: string[]): string {
  const first = names.slice(0, NAMED).join(", ");
  return names.length > NAMED ? t("rule.rooms.more", { names: first, n: names.length - NAMED }) : first;
}

/** Which rule has started a job, for whoever wants to know. */
export const ruleWords = (rules: AutoRule[], id: string | undefined): string | undefined => {
  const rule = rules.find((one) => one.id === id);
  return rule && t("origin.rule", { rooms: rule.what.rooms });
};
