import type { Preset } from "@/backend/types";
import type { Option } from "@/kit/choice";
import { t } from "@/words";

const PRESETS: Preset[] = [
  "H264_720P_30",
  "H264_720P_60",
  "H264_1080P_30",
  "H264_1080P_60",
  "PORTRAIT_H264_720P_30",
  "PORTRAIT_H264_720P_60",
  "PORTRAIT_H264_1080P_30",
  "PORTRAIT_H264_1080P_60",
];

/** The presets to choose from. */
export const presetOptions = (): Option<Preset>[] =>
  PRESETS.map((value) => ({ value, label: t(`how.${value}`) }));
