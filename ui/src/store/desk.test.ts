import { describe, expect, it } from "vitest";
import { four, inRoom } from "@/backend/fixture/people";
import {
  clearDesk,
  containersFor,
  defaultAdvanced,
  isPageUrl,
  pickNothing,
  pickPage,
  pickPerson,
  pickRoom,
  pickSource,
  pickTrack,
  requestOf,
  setPage,
  setRoom,
  useDesk,
} from "./desk";
import { sameButLayout, sameRequest, sameSource } from "./select";

const snapshot = inRoom(four);
const request = () => requestOf(useDesk.getState(), snapshot);

describe("what is chosen", () => {
  it("is nothing at first, and nothing outside of a room", () => {
    expect(request()).toBeNull();
    pickPerson("ada");
    expect(requestOf(useDesk.getState(), { ...snapshot, room: null })).toBeNull();
  });

  it("has segments, images and a copy besides, as far as there can be such of it", () => {
    const besides = {
      segments: { duration_s: 6, live_playlist: false, fmp4: true },
      images: { interval_s: 5 },
      proxy: { height: 360, video_bitrate_kbps: null, folder: null },
      copy_folder: "/mnt/second",
    };
    useDesk.setState({ besides });
    pickPerson("ada");
    expect(request()).toMatchObject(besides);
    // A track is recorded as it is published, and nothing is made of it.
    pickTrack("TR_ada_cam", "video", true);
    expect(request()).toMatchObject({
      segments: null,
      images: null,
      proxy: null,
      copy_folder: "/mnt/second",
    });
    useDesk.setState({ folder: "/mnt/second" });
    expect(request()?.copy_folder).toBeNull();
    // A container of sound alone leaves no picture to make a small one of.
    pickPerson("ada");
    expect(request()?.proxy).toEqual(besides.proxy);
    useDesk.setState(({ forms }) => ({
      forms: { ...forms, person: { how: "H264_720P_30", container: "ogg" } },
    }));
    expect(request()?.proxy).toBeNull();
    clearDesk({});
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
      segments: null,
      images: null,
      copy_folder: null,
      proxy: null,
      upload: null,
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

describe("the whole room", () => {
  it("becomes a room composite in the layout that was chosen last", () => {
    pickRoom();
    setRoom({ layout: "speaker-light", parts: "picture" });
    pickPerson("ada");
    pickRoom();
    expect(request()).toEqual({
      room_name: "morning-show",
      source: {
        type: "room_composite",
        layout: "speaker-light",
        base_url: null,
        parts: "picture",
        mixing: "together",
        after_crash: "reload",
      },
      format: { type: "preset", container: "mp4", preset: "H264_720P_30" },
      folder: snapshot.settings.folder,
      name: "",
      manifest: true,
      segments: null,
      images: null,
      copy_folder: null,
      proxy: null,
      upload: null,
    });
  });

  it("has a format of its own, and sound alone one that holds sound", () => {
    clearDesk({ forms: { ...useDesk.getState().forms, page: { how: "H264_1080P_60", container: null } } });
    pickRoom();
    expect(request()?.format).toEqual({ type: "preset", container: "mp4", preset: "H264_1080P_60" });
    setRoom({ parts: "sound" });
    expect(request()?.format).toMatchObject({ container: null });
    expect(containersFor("H264_720P_30", false, false)).toContain("mp3");
    expect(containersFor("H264_720P_30", true, false)).not.toContain("mp3");
  });

  it("is heard on sides where its sound is mixed without a page, and nowhere else", () => {
    pickRoom();
    const mixing = () => request()?.source;
    expect(mixing()).toMatchObject({ mixing: "together" });
    setRoom({ parts: "sound", mixing: "alternate" });
    expect(mixing()).toMatchObject({ mixing: "alternate" });
    setRoom({ baseUrl: "https://stage.example/" });
    expect(mixing()).toMatchObject({ mixing: "together" });
    setRoom({ baseUrl: null, parts: "both" });
    expect(mixing()).toMatchObject({ mixing: "together" });
    setRoom({ parts: "sound" });
    expect(mixing()).toMatchObject({ mixing: "alternate" });
  });

  it("in a template of one's own is asked for once its address is one", () => {
    pickRoom();
    setRoom({ baseUrl: "stage" });
    expect(request()).toBeNull();
    setRoom({ baseUrl: " https://stage.example/ " });
    expect(request()?.source).toMatchObject({ base_url: "https://stage.example/" });
    setRoom({ baseUrl: "  " });
    expect(request()?.source).toMatchObject({ base_url: null });
  });

  it("is taken up again as a job has it", () => {
    const source = {
      type: "room_composite",
      layout: "speaker",
      base_url: null,
      parts: "both",
      mixing: "together",
      after_crash: "end",
    } as const;
    pickSource(source);
    expect(request()?.source).toEqual({ ...source, after_crash: "reload" });
    useDesk.setState({ afterCrash: "end" });
    expect(request()?.source).toEqual(source);
  });
});

describe("a web page", () => {
  it("is asked for, without a room, once its address is one", () => {
    pickPage();
    expect(request()).toBeNull();
    setPage({ url: "scores" });
    expect(request()).toBeNull();
    setPage({ url: "https://scores.example/a?b=1 ", awaitStart: true });
    expect(request()).toMatchObject({
      room_name: "",
      source: {
        type: "web",
        url: "https://scores.example/a?b=1",
        await_start_signal: true,
        parts: "both",
        after_crash: "reload",
      },
      format: { type: "preset", container: "mp4", preset: "H264_720P_30" },
    });
    pickNothing();
    pickPage();
    expect(request()?.source).toMatchObject({ url: "https://scores.example/a?b=1" });
  });

  it("is at http and https alone", () => {
    for (const good of ["http://x", "HTTPS://x.example/y", "https://[::1]:8080/"])
      expect(isPageUrl(good), good).toBe(true);
    for (const bad of ["", "x.example", "https://", "ftp://x", "file:///etc/hosts", "javascript:alert(1)"])
      expect(isPageUrl(bad), bad).toBe(false);
  });
});

describe("what was kept by an earlier version", () => {
  it("knows no form for pages, and gets one", () => {
    const { merge } = useDesk.persist.getOptions();
    const { page, ...forms } = useDesk.getState().forms;
    const merged = merge?.(
      { forms: { ...forms, person: { how: "advanced", container: "webm" } } },
      {
        ...useDesk.getState(),
      },
    );
    expect(merged).toMatchObject({
      forms: { person: { how: "advanced" }, page },
      afterCrash: "reload",
    });
  });
});

describe("sameness", () => {
  it("of sources holds for the whole room in whatever layout, and not for another template", () => {
    const room = {
      type: "room_composite",
      layout: "grid",
      base_url: null,
      parts: "both",
      mixing: "together",
      after_crash: "reload",
    } as const;
    expect(sameSource(room, { ...room, layout: "speaker" })).toBe(true);
    expect(sameSource(room, { ...room, base_url: "https://stage.example" })).toBe(false);
    const page = { ...room, type: "web", url: "https://a.example", await_start_signal: false } as const;
    expect(sameSource(page, { ...page, await_start_signal: true })).toBe(true);
    expect(sameSource(page, { ...page, url: "https://b.example" })).toBe(false);
    expect(sameSource(page, room)).toBe(false);
    // No tracks are named in either.
    expect(sameSource(room, { type: "track_composite", video_track_id: null, audio_track_id: null })).toBe(
      false,
    );
  });

  it("but for the layout holds for nothing else", () => {
    pickRoom();
    const asked = request();
    setRoom({ layout: "speaker" });
    const other = request();
    if (!asked || !other) throw new Error("the room is chosen");
    expect(sameRequest(asked, other)).toBe(false);
    expect(sameButLayout(asked, other)).toBe(true);
    setRoom({ parts: "sound" });
    expect(sameButLayout(asked, request() ?? asked)).toBe(false);
  });

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
