# Kills, when the input ends, every process group that was named in a line "watch GROUP"
# and not in a later line "forget GROUP".
groups=' '
while read -r verb group; do
	case $verb in
	watch) groups="$groups$group " ;;
	forget)
		case $groups in
		*" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
		esac
		;;
	esac
done
for group in $groups; do
	kill -s KILL -- "-$group" 2>/dev/null
done
exit 0
