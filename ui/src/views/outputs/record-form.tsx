// How the next recording is made. Names for tests: "Picture and sound" (preset), "Format" (container), "Folder",
// "File name", "Besides the file" (besides.tsx), "Upload to" (upload-choice.tsx), button "Record" ([data-testid=record][data-ready]);
// where LiveKit could record it as well, the choice and its limits (elsewhere/where.tsx).

import { FolderOpen } from "lucide-react";
import type { Container, RecordRequest } from "@/backend/types";
import { Button } from "@/kit/button";
import { Choice, type Option } from "@/kit/choice";
import { Field, Input } from "@/kit/field";
import { useCommand } from "@/lib/commands";
import { tailOf } from "@/lib/format";
import {
  containerOf,
  containersFor,
  formFor,
  type How,
  hasPicture,
  type Pick,
  setForm,
  useDesk,
} from "@/store/desk";
import { isPageSource, tracksNow } from "@/store/select";
import { useStudio } from "@/store/studio";
import { t } from "@/words";
import { Limits, WhereChoice } from "../elsewhere/where";
import { UploadChoice } from "../uploads/upload-choice";
import { AdvancedFields } from "./advanced-fields";
import { BesidesFields } from "./besides";
import { exampleName } from "./example-name";
import { presetOptions } from "./presets";

/** Ways to record a pick, the likeliest first. */
export function howOptions(pick: Pick): Option<How>[] {
  const all: Option<How>[] = [
    ...presetOptions(),
    { value: "advanced", label: t("how.advanced"), hint: t("how.advanced.hint") },
  ];
  if (pick.kind !== "tracks") return all;
  return [{ value: "as_published", label: t("how.as_published"), hint: t("how.as_published.hint") }, ...all];
}

const CONTAINERS: Record<Container, string> = { mp4: "MP4", webm: "WebM", ogg: "OGG", mp3: "MP3" };

/** Containers to choose from; an empty value stands for the one that fits best. */
function containerOptions(how: How, picture: boolean, person: boolean): Option<Container | "">[] {
  return containersFor(how, picture, person).map((value) => {
    if (value === null) return { value: "", label: t("container.fit") };
    const soundAlone = person && (value === "ogg" || value === "mp3");
    return { value, label: CONTAINERS[value], ...(soundAlone ? { hint: t("container.sound") } : {}) };
  });
}

export function RecordForm({
  pick,
  request,
  elsewhere,
}: {
  pick: Pick;
  request: RecordRequest;
  /** LiveKit's own service is to record it. */
  elsewhere: boolean;
}) {
  const form = useDesk((desk) => desk.forms[formFor(pick)]);
  const name = useDesk((desk) => desk.name);
  const upload = useDesk((desk) => desk.upload);
  const settings = useStudio((snapshot) => snapshot.settings);
  const room = useStudio((snapshot) => snapshot.room);
  const person = pick.kind === "person";
  const picture = hasPicture(pick, request.source, room);
  const containers = containerOptions(form.how, picture, person);
  const container = containerOf(form, picture, person) ?? "";
  return (
    <div className="flex flex-col gap-2.5">
      <WhereChoice />
      {elsewhere && <Limits request={request} />}
      <div className="grid grid-cols-[1fr_6.5rem] gap-2">
        <Field label={t("form.how")}>
          {(ids) => (
            <Choice
              {...ids}
              value={form.how}
              options={howOptions(pick)}
              onChange={(how) => setForm(pick, { how })}
            />
          )}
        </Field>
        <Field label={t("form.container")}>
          {(ids) => (
            <Choice
              {...ids}
              value={container}
              options={containers}
              onChange={(value) => setForm(pick, { container: value || null })}
            />
          )}
        </Field>
      </div>
      {form.how === "advanced" && <AdvancedFields picture={picture} />}
      <Field label={t("form.name")} hint={<ExampleName request={request} />}>
        {(ids) => (
          <Input
            {...ids}
            value={name ?? settings.name}
            placeholder={settings.name || t("form.name.default")}
            onChange={(event) => useDesk.setState({ name: event.target.value })}
          />
        )}
      </Field>
      {!elsewhere && <FolderField />}
      <BesidesFields track={request.source.type === "track"} picture={picture} />
      <UploadChoice
        value={upload}
        onChange={(next) => useDesk.setState({ upload: next })}
        {...(elsewhere ? { none: t("elsewhere.upload.none"), apart: true } : {})}
      />
    </div>
  );
}

function FolderField() {
  const own = useDesk((desk) => desk.folder);
  const settings = useStudio((snapshot) => snapshot.settings);
  const choose = useCommand((backend, _: null) => backend.chooseFolder());
  const folder = own ?? settings.folder;
  return (
    <Field label={t("form.folder")}>
      {(ids) => (
        <Button
          {...ids}
          look="outline"
          className="w-full justify-start bg-night px-2.5 font-normal"
          title={folder}
          onClick={() =>
            choose.mutate(null, { onSuccess: (path) => path && useDesk.setState({ folder: path }) })
          }
        >
          <FolderOpen className="text-faint" />
          <span className="truncate" data-testid="record-folder">
            {tailOf(folder, 34)}
          </span>
        </Button>
      )}
    </Field>
  );
}

function ExampleName({ request }: { request: RecordRequest }) {
  const room = useStudio((snapshot) => snapshot.room);
  const { video, audio } = tracksNow(room, request.source);
  // A room's name is no track's.
  const track = isPageSource(request.source) ? null : (video ?? audio[0] ?? null);
  const example = exampleName(request, track, room?.roster.room_sid ?? "", new Date());
  return (
    <span className="block truncate" dir="auto" title={example} data-testid="record-example">
      {example}
    </span>
  );
}
