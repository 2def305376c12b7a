import crypto from "crypto";

// JSON keeps the two apart: no header can be written so that it looks like another pair.
function digest(request) {
  const { Authorization, Cookie } = request.headersIn;
  const credential = JSON.stringify([Authorization || "", Cookie || ""]);
  return crypto.createHash("sha256").update(credential).digest("hex");
}

export default { digest };
