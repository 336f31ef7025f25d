/** Version that `GET /status` and the User-Agent header tell. Kept equal to package.json by a test. */
"use strict";

module.exports = "0.1.0";
