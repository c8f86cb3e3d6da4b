// Cloud storage for the tests of `upload`, which start it themselves: MinIO from its Go module, Azurite from npm.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { goProgram } from './livekit.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The S3 server. Its first build takes minutes. */
export function minioProgram() {
  return goProgram('minio', 'github.com/minio/minio', 'minio');
}

/** Azure's blob service, run by Node. */
export function azuriteProgram() {
  return join(ROOT, 'node_modules/azurite/dist/src/blob/main.js');
}
