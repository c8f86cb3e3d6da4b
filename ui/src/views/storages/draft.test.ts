import { describe, expect, it } from "vitest";
import { anError } from "@/backend/fixture/people";
import { allStorages, aStorage, s3 } from "@/backend/fixture/uploads";
import {
  byIdentity,
  type Draft,
  draftOf,
  emailOf,
  fieldOf,
  inputOf,
  isComplete,
  keepsKeys,
  needsMore,
} from "./draft";

const fresh = (part: Partial<Draft> = {}): Draft => ({ ...draftOf(null, false), ...part });
const keyFile = JSON.stringify({ type: "service_account", client_email: "a@b.example", private_key: "k" });

describe("a draft of a storage", () => {
  it("of what is saved is that again, without its keys, which then are kept", () => {
    for (const place of allStorages) {
      const input = inputOf(draftOf(place, false));
      expect(input, place.name).toEqual({
        name: place.name,
        profile: place.profile,
        secret: null,
        this_run_only: place.keys === "this_run",
      });
      expect(isComplete(draftOf(place, false), false)).toBe(true);
    }
  });

  it("keeps what few need", () => {
    const storage = s3({
      metadata: { show: "morning", by: "a=b" },
      tagging: "a=b",
      assume_role_arn: "arn:aws:iam::1:role/x",
      proxy_url: "http://proxy.example:3128",
    });
    const draft = draftOf(aStorage("ST_1", "One", storage), false);
    expect(draft.metadata).toBe("show=morning\nby=a=b");
    expect(inputOf(draft).profile.storage).toEqual(storage);
    expect(needsMore(draft, null)).toBe(true);
    expect(needsMore(fresh(), null)).toBe(false);
    expect(needsMore(fresh(), "tagging")).toBe(true);
  });

  it("sends the keys of its kind alone, trimmed, and none that are empty", () => {
    const typed = fresh({
      bucket: " shows ",
      access_key: " AK ",
      secret: "s\n",
      account_key: "left over",
      proxy_user: "no proxy is named",
    });
    expect(inputOf(typed)).toMatchObject({
      profile: { storage: { kind: "s3", bucket: "shows" } },
      secret: {
        keys: {
          kind: "s3",
          access_key: "AK",
          secret: "s",
          session_token: null,
          assume_role_external_id: null,
        },
        proxy: null,
      },
    });
    expect(inputOf({ ...typed, kind: "local", folder: "/mnt" }).secret).toBeNull();
    expect(inputOf({ ...typed, kind: "azure" }).secret?.keys).toEqual({
      kind: "azure",
      account_key: "left over",
    });
  });

  it("carries the login of the proxy with the keys", () => {
    const typed = fresh({
      bucket: "b",
      access_key: "a",
      secret: "s",
      proxy_url: "http://p.example",
      proxy_user: "vera",
      proxy_password: "pw",
    });
    expect(inputOf(typed).secret?.proxy).toEqual({ username: "vera", password: "pw" });
    // Who changes it alone has to give the rest again, for what is kept is one whole.
    expect(isComplete({ ...typed, access_key: "", secret: "" }, false)).toBe(false);
  });

  it("is complete with a place and whole keys, or none where some are kept", () => {
    expect(isComplete(fresh({ bucket: "b" }), true)).toBe(false);
    expect(isComplete(fresh({ bucket: "b" }), false)).toBe(true);
    expect(isComplete(fresh({ bucket: "b", access_key: "a" }), false)).toBe(false);
    expect(isComplete(fresh({ bucket: "b", access_key: "a", secret: "s" }), true)).toBe(true);
    expect(isComplete(fresh({ bucket: " ", access_key: "a", secret: "s" }), true)).toBe(false);
    expect(isComplete(fresh({ kind: "gcp", bucket: "b", credentials: "{}" }), true)).toBe(false);
    expect(isComplete(fresh({ kind: "gcp", bucket: "b", credentials: keyFile }), true)).toBe(true);
    expect(isComplete(fresh({ kind: "ali_oss", bucket: "b", access_key: "a", secret: "s" }), true)).toBe(
      false,
    );
    expect(isComplete(fresh({ kind: "local", folder: "/mnt" }), false)).toBe(true);
  });
});

describe("a draft without keys", () => {
  it("is this computer's identity for the kinds that have one, and needs and sends no keys", () => {
    const identity = { machine_identity: true, bucket: "b", access_key: "left", secret: "over" };
    const typed = fresh(identity);
    expect(isComplete(typed, true)).toBe(true);
    expect(inputOf(typed)).toMatchObject({
      profile: { storage: { kind: "s3", machine_identity: true } },
      secret: null,
    });
    expect(keepsKeys(typed)).toBe(false);
    expect(inputOf({ ...typed, this_run_only: true }).this_run_only).toBe(false);
    // Of a role and of a proxy something has to be kept all the same.
    const role = { ...typed, external_id: "x", this_run_only: true };
    expect(inputOf(role)).toMatchObject({
      secret: {
        keys: {
          kind: "s3",
          access_key: "",
          secret: "",
          session_token: null,
          assume_role_external_id: "x",
        },
      },
      this_run_only: true,
    });
    const proxied = { ...typed, kind: "gcp" as const, proxy_url: "http://p.example", proxy_user: "vera" };
    expect(inputOf(proxied).secret).toEqual({
      keys: { kind: "none" },
      proxy: { username: "vera", password: "" },
    });
    const azure = fresh({
      ...identity,
      kind: "azure",
      account_name: "a",
      container_name: "c",
      account_key: "k",
    });
    expect(inputOf(azure)).toMatchObject({
      profile: { storage: { machine_identity: true } },
      secret: null,
    });
    // What was chosen for another kind does not hold for one that has no such thing.
    const oss = fresh({ ...identity, kind: "ali_oss", endpoint: "e" });
    expect(byIdentity(oss)).toBe(false);
    expect(inputOf(oss).secret).not.toBeNull();
    expect(isComplete(fresh({ machine_identity: true }), true)).toBe(false);
  });
});

describe("a key file of Google's", () => {
  it("is known by whose it is", () => {
    expect(emailOf(keyFile)).toBe("a@b.example");
    for (const bad of [
      "",
      "?",
      "null",
      "[]",
      '{"client_email":"a"}',
      '{"private_key":"k"}',
      '{"client_email":1}',
    ])
      expect(emailOf(bad), bad).toBeNull();
  });
});

describe("an error", () => {
  it("leads to its field", () => {
    const named = anError({
      code: "invalid_argument",
      detail: "request has missing or invalid field: tagging",
    });
    expect(fieldOf(named, "s3")).toBe("tagging");
    expect(fieldOf({ ...named, detail: "request has missing or invalid field: proxy" }, "s3")).toBe(
      "proxy_url",
    );
    expect(fieldOf(anError({ code: "not_found" }), "s3")).toBe("bucket");
    expect(fieldOf(anError({ code: "not_found" }), "azure")).toBe("container_name");
    expect(fieldOf(anError({ code: "wrong_secret" }), "azure")).toBe("account_key");
    expect(fieldOf(anError({ code: "disk_full" }), "s3")).toBeNull();
  });
});
