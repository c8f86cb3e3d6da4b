// What of a room is recorded by itself, by a rule or by the server. Names for tests: radios "Whole room", "Each person",
// "Each track" (and "Nothing"); "Layout", "Picture and sound".

import type { AutoParts, LayoutChoice, Preset } from "@/backend/types";
import { Choice } from "@/kit/choice";
import { Field } from "@/kit/field";
import { Radios } from "@/kit/radios";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { presetOptions } from "../outputs/presets";

export type PartsKind = AutoParts["type"];

/** As it is filled in: the layout stays while another is looked at. */
export interface PartsDraft {
  kind: PartsKind | "none";
  layout: string;
  preset: Preset;
}

const KINDS: PartsKind[] = ["room_composite", "participants", "tracks"];

export const freshParts: PartsDraft = { kind: "room_composite", layout: "grid", preset: "H264_720P_30" };

/** None where nothing is to be recorded. */
export function partsOf({ kind, layout }: PartsDraft): AutoParts | null {
  if (kind === "none") return null;
  return kind === "room_composite" ? { type: kind, layout } : { type: kind };
}

export function PartsFields({
  label,
  draft,
  set,
  none,
  layouts,
}: {
  label: string;
  draft: PartsDraft;
  set: (part: Partial<PartsDraft>) => void;
  /** Nothing can be chosen as well. */
  none?: boolean;
  /** Those to choose from, if not all that are whole. */
  layouts?: { name: string; title: string }[];
}) {
  const all = useStudio((snapshot) => snapshot.layouts);
  const { kind, layout, preset } = draft;
  const known = layouts ?? whole(all, layout);
  const nothing = {
    value: "none" as const,
    label: t("room.new.egress.none"),
    hint: t("room.new.egress.none.what"),
  };
  return (
    <>
      <Radios<PartsDraft["kind"]>
        label={label}
        value={kind}
        options={[
          ...(none ? [nothing] : []),
          ...KINDS.map((value) => ({
            value,
            label: t(`parts.${value}`),
            hint: t(`parts.${value}.what`),
          })),
        ]}
        onChange={(next) => set({ kind: next })}
      />
      {kind !== "none" && kind !== "tracks" && (
        <div className="grid grid-cols-2 gap-3">
          {kind === "room_composite" && (
            <Field label={t("rule.layout")}>
              {(ids) => (
                <Choice
                  {...ids}
                  value={layout}
                  options={known.map(({ name, title }) => ({ value: name, label: title }))}
                  onChange={(next) => set({ layout: next })}
                />
              )}
            </Field>
          )}
          <Field label={t("rule.preset")}>
            {(ids) => (
              <Choice
                {...ids}
                value={preset}
                options={presetOptions()}
                onChange={(next) => set({ preset: next })}
              />
            )}
          </Field>
        </div>
      )}
    </>
  );
}

/** The layouts that can be drawn, and the one that is chosen also where it is gone. */
function whole(layouts: LayoutChoice[], chosen: string): { name: string; title: string }[] {
  const some = layouts.filter((one) => !one.broken);
  if (some.some((one) => one.name === chosen)) return some;
  return [...some, { name: chosen, title: t("rule.layout.gone", { name: chosen }) }];
}
