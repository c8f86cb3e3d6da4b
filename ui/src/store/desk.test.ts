import { describe, expect, it } from "vitest";
import { four, inRoom } from "@/backend/fixture/people";
import {
  clearDesk,
  defaultAdvanced,
  pickNothing,
  pickPerson,
  pickSource,
  pickTrack,
  requestOf,
  useDesk,
} from "./desk";
import { sameRequest, sameSource } from "./select";

const snapshot = inRoom(four);
const request = () => requestOf(useDesk.getState(), snapshot);

describe("what is chosen", () => {
  it("is nothing at first, and nothing outside of a room", () => {
    expect(request()).toBeNull();
    pickPerson("ada");
    expect(requestOf(useDesk.getState(), { ...snapshot, room: null })).toBeNull();
  });

  it("a person becomes a participant egress with LiveKit's default preset", () => {
    pickPerson("ada");
    expect(request()).toEqual({
      room_name: "morning-show",
      source: { type: "participant", identity: "ada", follow_screen_share: false },
      format: { type: "preset", container: "mp4", preset: "H264_720P_30" },
      folder: snapshot.settings.folder,
      name: "",
      manifest: true,
    });
    pickPerson("ada");
    expect(request()?.source).toMatchObject({ identity: "ada" });
    pickNothing();
    expect(request()).toBeNull();
  });

  it("one track becomes a track egress as published, two a composite", () => {
    pickTrack("TR_ben_mic", "audio", true);
    expect(request()?.source).toEqual({ type: "track", track_id: "TR_ben_mic" });
    expect(request()?.format).toEqual({ type: "as_published", container: null });
    pickTrack("TR_ada_cam", "video", true);
    expect(request()?.source).toEqual({
      type: "track_composite",
      video_track_id: "TR_ada_cam",
      audio_track_id: "TR_ben_mic",
    });
    expect(request()?.format.type).toBe("preset");
  });

  it("a second picture takes the place of the first", () => {
    pickTrack("TR_ada_cam", "video", true);
    pickTrack("TR_ben_cam", "video", true);
    expect(useDesk.getState().pick).toEqual({ kind: "tracks", video: "TR_ben_cam", audio: null });
    pickTrack("TR_ben_cam", "video", false);
    expect(useDesk.getState().pick).toBeNull();
  });

  it("is never asked for in a container that cannot hold it", () => {
    // Set for a microphone, and then a camera is chosen.
    const forms = { ...useDesk.getState().forms, single: { how: "advanced", container: "mp3" } as const };
    clearDesk({ pick: { kind: "tracks", video: null, audio: "TR_ben_mic" }, forms });
    expect(request()?.format).toMatchObject({ container: "mp3" });
    clearDesk({ pick: { kind: "tracks", video: "TR_ada_cam", audio: null }, forms });
    expect(request()?.format).toMatchObject({ container: "mp4" });
  });

  it("one track re-encoded is a composite of one", () => {
    clearDesk({
      pick: { kind: "tracks", video: null, audio: "TR_ben_mic" },
      forms: { ...useDesk.getState().forms, single: { how: "advanced", container: "mp3" } },
    });
    expect(request()?.source).toEqual({
      type: "track_composite",
      video_track_id: null,
      audio_track_id: "TR_ben_mic",
    });
    expect(request()?.format).toEqual({ type: "advanced", container: "mp3", options: defaultAdvanced });
  });

  it("taking a job's source up again can be undone, also for a lone sound", () => {
    pickSource({ type: "track", track_id: "TR_ben_mic" });
    pickTrack("TR_ben_mic", "audio", false);
    expect(useDesk.getState().pick).toBeNull();
  });
});

describe("sameness", () => {
  it("of requests does not depend on the order of keys", () => {
    pickPerson("ada");
    const asked = request();
    if (!asked) throw new Error("a person is chosen");
    const { source, ...rest } = asked;
    expect(sameRequest(asked, { source, ...rest })).toBe(true);
    expect(sameRequest(asked, { ...asked, name: "other" })).toBe(false);
  });

  it("of sources holds for the same tracks in another form", () => {
    const lone = { type: "track", track_id: "T" } as const;
    expect(sameSource(lone, { type: "track_composite", video_track_id: null, audio_track_id: "T" })).toBe(
      true,
    );
    expect(sameSource(lone, { type: "track_composite", video_track_id: "V", audio_track_id: "T" })).toBe(
      false,
    );
    expect(sameSource(lone, { type: "participant", identity: "T", follow_screen_share: false })).toBe(false);
  });
});
