import crypto from "crypto";

// JSON keeps the two apart: no header can be written so that it looks like another pair.
function digest(request) {
  var credential = JSON.stringify([request.headersIn.Authorization || "", request.headersIn.Cookie || ""]);
  return crypto.createHash("sha256").update(credential).digest("hex");
}

export default { digest };
