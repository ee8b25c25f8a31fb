#!/usr/bin/env bash
# Makes the fixture images again: mke2fs lays them out, the kernel's ext4 fills them through a loop
# mount, and a manifest beside each says what must be found in it. Needs root.
#
#   Images/make-images.sh            all of them
#   Images/make-images.sh NAME ...   these
#
# NAME.img.gz is the image, NAME.manifest.gz a line for each name in it, fields separated by tabs:
#   path, mode (octal), links, uid, gid, size, mtime (seconds.nanoseconds), device (major:minor),
#   contents (cksum's CRC of a file's bytes or a link's target), extents (logical:physical:length in
#   blocks, u after unwritten ones), extended attributes (name=hex, separated by commas).
# A field that does not apply is "-". Paths are written as bash's $'...' would, where they need it.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
umask 022

# name | block size | size | further options of mke2fs | what is done to the superblock before
recipes='
default-1k    | 1024 | 8M  |                                                |
default-2k    | 2048 | 8M  |                                                |
default-4k    | 4096 | 16M |                                                |
csum-seed     | 1024 | 8M  | -O metadata_csum_seed                          |
orphan-file   | 1024 | 8M  | -O orphan_file                                 |
no-64bit      | 1024 | 8M  | -O ^64bit                                      |
no-csum       | 1024 | 8M  | -O ^metadata_csum                              |
uninit-bg     | 1024 | 24M | -O ^64bit,^metadata_csum,uninit_bg             |
no-journal    | 1024 | 8M  | -O ^has_journal                                |
no-flex-bg    | 1024 | 24M | -O ^flex_bg,^resize_inode                      |
inode-128     | 1024 | 8M  | -I 128                                         |
inode-1024    | 1024 | 8M  | -I 1024                                        |
hash-legacy   | 1024 | 8M  |                                                | ssv def_hash_version legacy
hash-tea      | 1024 | 8M  |                                                | ssv def_hash_version tea
hash-unsigned | 1024 | 8M  |                                                | ssv flags 2
tea-unsigned  | 1024 | 8M  |                                                | ssv def_hash_version tea;ssv flags 2
no-dir-index  | 1024 | 8M  | -O ^dir_index                                  |
no-extents    | 1024 | 8M  | -O ^extent,^64bit                              |
'

work=$(mktemp -d /tmp/extant-images.XXXXXX)
cleanup() {
  if mountpoint -q "$work/mount"; then umount "$work/mount"; fi
  rm -rf "$work"
}
trap cleanup EXIT
mkdir "$work/mount"

# $1 bytes that compress well and that no other place has.
text() { yes "$2 of the fixture image" | head -c "$1" || true; }

fill() {
  local root=$1 block=$2 i
  : >"$root/empty"
  echo 'a small file' >"$root/small"
  text 100000 contents >"$root/hundred-kilobytes"

  # Holes before, between and after data; a tail that ends inside a block.
  for i in 0 1048576 5000000; do
    text 3000 "offset $i" | dd of="$root/sparse" bs=1 seek="$i" conv=notrunc status=none
  done
  truncate -s 6000001 "$root/sparse"

  # Unwritten blocks with data in their midst, and more of them past the end of the file.
  fallocate -l 262144 "$root/unwritten" 2>/dev/null && fallocate -n -o 262144 -l 131072 "$root/unwritten" &&
    text 5000 island | dd of="$root/unwritten" bs=1 seek=100000 conv=notrunc status=none
  # (Block-mapped files have no unwritten blocks.)
  if [[ ! -s $root/unwritten ]]; then text 5000 island >"$root/unwritten"; fi

  # Every second block: 350 extents are a tree of depth 2 at 1 KiB.
  text $((700 * block)) fragment >"$root/fragmented"
  for ((i = 1; i < 700; i += 2)); do
    fallocate -p -o $((i * block)) -l "$block" "$root/fragmented"
  done

  # A directory with an index, names of all lengths and with bytes past 127.
  mkdir "$root/directory"
  for ((i = 0; i < 400; i++)); do : >"$root/directory/name-$i-$(printf 'x%.0s' $(seq $((i % 40 + 1))))"; done
  for i in café naïve Ελλάδα 日本語 $'\xff\xfe'; do : >"$root/directory/$i"; done
  for ((i = 0; i < 400; i += 5)); do rm "$root/directory/name-$i-"*; done
  : >"$root/$(printf 'n%.0s' $(seq 255))"

  mkdir -p "$root/deep/1/2/3/4/5/6/7/8/9"
  echo bottom >"$root/deep/1/2/3/4/5/6/7/8/9/file"
  ln "$root/deep/1/2/3/4/5/6/7/8/9/file" "$root/hard-link"
  ln "$root/hard-link" "$root/deep/another-link"

  # The first two targets live in the inode, the others in a block.
  ln -s short "$root/link-fast"
  for i in 59 60 700; do ln -s "$(printf 't%.0s' $(seq $i))" "$root/link-$i"; done

  mkfifo "$root/fifo"
  mknod "$root/character" c 5 1
  mknod "$root/block" b 259 300000
  echo run >"$root/set-user-id" && chmod 4755 "$root/set-user-id"
  mkdir "$root/sticky" && chmod 3777 "$root/sticky"
  echo owned >"$root/owned" && chown 3000000000:65537 "$root/owned"

  # In the inode, in the block, in both; an empty value; another namespace; shared blocks.
  echo attributes >"$root/attributes"
  setfattr -n user.small -v value "$root/attributes"
  setfattr -n user.empty "$root/attributes"
  setfattr -n user.large -v "$(text 700 attribute | tr '\n' ' ')" "$root/attributes"
  setfattr -n trusted.extant -v 0x00ff00 "$root/attributes"
  setfattr -n user.of-a-link-count -v directory "$root/deep"
  for i in 1 2 3; do
    echo "$i" >"$root/shared-$i"
    setfattr -n user.shared -v "$(text 500 shared | tr '\n' ' ')" "$root/shared-$i"
  done
  setfacl -m u:1:rw,g:2:r,m::rwx "$root/small"
  setfacl -m u:4000000000:r "$root/hundred-kilobytes"
  mkdir "$root/inheriting" && setfacl -d -m u:7:rwx,o::- "$root/inheriting"
  echo heir >"$root/inheriting/heir"

  # Where 32 bits of seconds end, and where ext4's 34 bits do.
  i=0
  for when in -2147483648 -1.5 0.000000001 2147483647.999999999 2147483648 4294967296.25 15032385535; do
    echo "$when" >"$root/time-$i"
    touch -d "@$when" "$root/time-$i" 2>/dev/null || true
    i=$((i + 1))
  done
}

extents() {
  filefrag -v "$1" 2>/dev/null | awk '
    $1 ~ /^[0-9]+:$/ {
      gsub(/\.\./, " "); gsub(/:/, " ")
      printf "%s%s:%s:%s%s", (n++ ? "," : ""), $2, $4, $6, (/unwritten/ ? "u" : "")
    }
    END { if (!n) printf "-" }'
}

attributes() {
  getfattr -h -d -m - -e hex --absolute-names -- "$1" 2>/dev/null |
    sed -n 's/=0x/=/p; t; /^[a-z].*\./{s/$/=/p}' | sort | paste -sd, | sed 's/^$/-/'
}

# One line for each name below $1.
manifest() {
  local root=$1 path relative kind contents runs device
  find "$root" -path "$root/lost+found" -prune -o -print | sort | while IFS= read -r path; do
    relative=${path#"$root"}
    kind=$(stat -c %F "$path") contents=- runs=- device=-
    case $kind in
    regular*) contents=$(cksum <"$path" | cut -d' ' -f1) runs=$(extents "$path") ;;
    symbolic*) contents=$(readlink -n "$path" | cksum | cut -d' ' -f1) ;;
    character* | block*) device=$(stat -c '%Hr:%Lr' "$path") ;;
    esac
    [[ -n $runs ]] || runs=-
    local list
    list=$(attributes "$path")
    printf '%q\t%o\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "${relative:-/}" "0x$(stat -c %f "$path")" \
      "$(stat -c '%h	%u	%g' "$path")" "$([[ $kind == directory ]] && echo - || stat -c %s "$path")" \
      "$(stat -c %.9Y "$path")" "$device" "$contents" "$runs" "${list:--}"
  done
}

# The journal's old records say nothing once it is clean, and do not compress.
empty_journal() {
  local image=$1 block=$2 first last
  [[ $options != *'^has_journal'* ]] || return 0
  debugfs -R 'stat <8>' "$image" 2>/dev/null | grep -oE '\([0-9]+-[0-9]+\):[0-9]+-[0-9]+' |
    while IFS="():-" read -r _ first _ _ start last; do
      if ((first == 0)); then start=$((start + 1)); fi
      dd if=/dev/zero of="$image" bs="$block" seek="$start" count=$((last - start + 1)) \
        conv=notrunc status=none
    done
}

make_image() {
  local name=$1 block=$2 size=$3 options=$4 before=$5 image=$work/image command
  rm -f "$image"
  # shellcheck disable=SC2086
  mke2fs -q -F -t ext4 -b "$block" -U e47a0000-0000-4000-8000-00000000e4e4 -L "$name" \
    -E hash_seed=6a17c5e8-0000-4000-8000-0123456789ab,lazy_itable_init=0 -N 1024 -J size=4 \
    $options "$image" "$size" >/dev/null 2>&1 ||
    mke2fs -q -F -t ext4 -b "$block" -U e47a0000-0000-4000-8000-00000000e4e4 -L "$name" \
      -E hash_seed=6a17c5e8-0000-4000-8000-0123456789ab,lazy_itable_init=0 -N 1024 \
      $options "$image" "$size" >/dev/null
  while IFS= read -r -d ';' command; do
    [[ -z $command ]] || debugfs -w -R "$command" "$image" >/dev/null 2>&1
  done <<<"$before;"
  mount -o loop "$image" "$work/mount"
  fill "$work/mount" "$block"
  umount "$work/mount"
  mount -o loop,ro "$image" "$work/mount"
  manifest "$work/mount" >"$work/manifest"
  umount "$work/mount"
  empty_journal "$image" "$block"
  e2fsck -fn "$image" >"$work/fsck" 2>&1 || { cat "$work/fsck" >&2; exit 1; }
  gzip -9 -n <"$image" >"$name.img.gz"
  gzip -9 -n <"$work/manifest" >"$name.manifest.gz"
  printf '%-14s %s lines, %s bytes packed\n' "$name" "$(wc -l <"$work/manifest")" \
    "$(stat -c %s "$name.img.gz")"
}

while IFS='|' read -r name block size options before; do
  name=${name// /} block=${block// /} size=${size// /}
  before=$(sed 's/^ *//; s/ *$//' <<<"$before")
  [[ -n $name ]] || continue
  if (($# == 0)) || [[ " $* " == *" $name "* ]]; then
    make_image "$name" "$block" "$size" "$options" "$before"
  fi
done <<<"$recipes"
