exports.name = require("./data").answer === 42 ? "part" : "nothing";
