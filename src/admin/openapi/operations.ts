/** Everything that the document tells of. A route that is missing here fails a test, and so does the reverse. */

import { systemOperations } from "./course-operations.ts";
import { upstreamOperations } from "./upstream-operations.ts";
import { loginOperations } from "./login-operations.ts";
import type { Operation } from "./operation.ts";
import { requestOperations } from "./request-operations.ts";
import { documentOperations, readingOperations } from "./system-operations.ts";

export const operations: readonly Operation[] = [
  ...readingOperations,
  ...upstreamOperations,
  ...systemOperations,
  ...requestOperations,
  ...loginOperations,
  ...documentOperations,
];
