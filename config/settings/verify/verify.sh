#!/bin/sh
# verify.sh SECRET X-WEBHOOK-SIGNATURE < body
want="sha256=$(openssl dgst -sha256 -hmac "$1" | sed 's/^.* //')"
case ",$2," in
*",$want,"*) echo "valid" ;;
*) echo "not valid" >&2; exit 1 ;;
esac
