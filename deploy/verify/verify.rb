require "openssl"

# headers: names in lower case; body: the raw bytes as received, not parsed JSON.
def verify(secret, headers, body)
  id, timestamp = headers["webhook-id"].to_s, headers["webhook-timestamp"].to_s
  return false unless timestamp.match?(/\A\d+\z/) && (Time.now.to_i - timestamp.to_i).abs <= 300 # Old, perhaps replayed.

  key = secret.start_with?("whsec_") ? secret.delete_prefix("whsec_").unpack1("m") : secret
  signed = "#{id}.#{timestamp}.".b + body.b
  want = "v1," + [OpenSSL::HMAC.digest("SHA256", key, signed)].pack("m0")
  headers["webhook-signature"].to_s.split(" ").any? do |entry|
    entry.bytesize == want.bytesize && OpenSSL.fixed_length_secure_compare(entry, want)
  end
end
