// A node server without a framework: three routes, and on SIGTERM it finishes what it has begun.

const http = require("node:http");
const greeting = require("./package.json");

const answers = { "/": "Hello from Node\n", "/up": "up\n", "/version": greeting.version + "\n" };

let isStopping = false;

const server = http.createServer((request, response) => {
  const answer = answers[request.url.split("?")[0]];
  if (isStopping) response.setHeader("Connection", "close");
  response.writeHead(answer ? 200 : 404, { "Content-Type": "text/plain" });
  response.end(answer || "not found\n");
});

process.on("SIGTERM", () => {
  isStopping = true;
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

server.listen(Number(process.env.PORT), "0.0.0.0", () => console.log(`listening on ${process.env.PORT}`));
