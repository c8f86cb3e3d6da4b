// LiveKit's SDK for templates. It is CommonJS with a default export of its own, which a bundler may put one level deeper
// than its types say.

import sdk from "@livekit/egress-sdk";

type Helper = typeof sdk;

const found: Helper & { default?: Helper } = sdk;

export const EgressHelper: Helper = found.default ?? found;
